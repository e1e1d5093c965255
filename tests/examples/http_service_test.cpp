// Starts examples/cpp/http_service.cpp on a free port and talks to it.

#include <cstddef>
#include <cstdio>
#include <stdexcept>
#include <string>

#include <httplib.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/catch.hpp"

using nlohmann::json;

namespace {

class Service {
 public:
  Service() {
    int output[2];
    if (::pipe(output) != 0 || (process_ = ::fork()) < 0) throw std::runtime_error("no process");
    if (process_ == 0) {
      ::dup2(output[1], STDOUT_FILENO);
      ::execl(FRESHET_HTTP_SERVICE, FRESHET_HTTP_SERVICE, "0", nullptr);
      ::_exit(127);
    }
    ::close(output[1]);
    std::FILE* lines = ::fdopen(output[0], "r");
    if (std::fscanf(lines, "listening on http://127.0.0.1:%d", &port_) != 1) port_ = 0;
    std::fclose(lines);
  }
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  ~Service() {
    ::kill(process_, SIGTERM);
    ::waitpid(process_, nullptr, 0);
  }

  [[nodiscard]] int port() const { return port_; }

 private:
  pid_t process_ = 0;
  int port_ = 0;
};

json point(std::size_t i) {
  return {{"pressure", 1013.0 + 0.1 * static_cast<double>(i * 7 % 13)},
          {"temperature", 20.0 + 0.1 * static_cast<double>(i * 5 % 11)}};
}

}  // namespace

TEST_CASE("the service answers with verdicts, and says what is wrong with a point") {
  const Service service;
  REQUIRE(service.port() > 0);
  httplib::Client client("127.0.0.1", service.port());
  const auto post = [&](const std::string& body) {
    const auto answer = client.Post("/streams/pump-7/points", body, "application/json");
    REQUIRE(answer);
    return *answer;
  };

  // A refused first point makes no stream.
  CHECK(post("{}").status == 422);
  CHECK(client.Get("/streams/pump-7")->status == 404);

  for (std::size_t i = 0; i < 100; ++i) {
    const auto answer = post(point(i).dump());
    REQUIRE(answer.status == 200);
    const json verdict = json::parse(answer.body);
    CHECK(verdict["index"] == i);
    CHECK(verdict["status"] == (i < 49 ? "collecting" : "ready"));
    CHECK(verdict["score"].is_null() == (i < 50));
  }

  const auto refused = [&](const std::string& body, int status, const char* id, const char* field) {
    const auto answer = post(body);
    CHECK(answer.status == status);
    CHECK(answer.get_header_value("Content-Type") == "application/problem+json");
    const json problem = json::parse(answer.body);
    CHECK(problem["id"] == id);
    CHECK(problem["field"] == field);
    CHECK(problem["status"] == status);
  };
  refused("{\"temperature\": ", 400, "json_malformed", "");
  refused(R"({"temperature": 20.0})", 422, "column_missing", "pressure");
  refused(R"({"temperature": 20.0, "pressure": 1.0, "level": 1})", 422, "column_unknown", "level");
  refused(R"({"temperature": "hot", "pressure": 1.0})", 422, "value_non_finite", "temperature");
  refused(R"({"temperature": 1e200, "pressure": 1.0})", 422, "value_out_of_range", "temperature");
  CHECK(post(std::string(100'000, ' ')).status == 413);

  // Nothing of that was kept, and the next point is the one after the last that was accepted.
  const json verdict = json::parse(post(R"({"temperature": 90.0, "pressure": 950.0})").body);
  CHECK(verdict["index"] == 100);
  CHECK(verdict["is_anomaly"] == true);
  CHECK(json::parse(client.Get("/streams/pump-7")->body)["total_processed"] == 101);
  CHECK(client.Get("/streams/%ff")->status == 404);
  CHECK(json::parse(client.Get("/streams/pump-8")->body)["id"] == "stream_unknown");
}
