// Detection over HTTP in one C++ program: streams by name, a point per request.
//
//   freshet_example_http_service 8080
//   curl http://127.0.0.1:8080/streams/pump-7/points -d '{"temperature": 72.5, "pressure": 1013.2}'
//   curl http://127.0.0.1:8080/streams/pump-7

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <httplib.h>
#include <nlohmann/json.hpp>

#include "freshet/freshet.hpp"

using nlohmann::json;
using Detector = freshet::StreamingDetector<freshet::Ecod>;

// The values of an object in the order of the columns, whatever the order they come in.
static std::vector<double> read_row(const freshet::Columns& columns, const json& body) {
  std::vector<std::string> names;
  for (const auto& [name, value] : body.items()) names.push_back(name);
  const std::vector<std::size_t> order = columns.order(names);
  std::vector<double> row(columns.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const json& value = body[names[i]];
    if (!value.is_number()) {
      throw freshet::DataError(freshet::ErrorCode::value_non_finite,
                               "column " + names[i] + ": expected a finite number", names[i],
                               "a finite number");
    }
    row[order[i]] = value.get<double>();
  }
  return row;
}

static json verdict_json(const freshet::Result& verdict) {
  return {{"index", verdict.index},
          {"status", freshet::to_string(verdict.status)},
          {"score", verdict.score},  // null while there is no model
          {"raw_score", verdict.raw_score},
          {"is_anomaly", verdict.is_anomaly},
          {"model_version", verdict.model_version},
          {"samples_until_ready", verdict.samples_until_ready}};
}

static json stats_json(const freshet::Statistics& stats) {
  return {{"status", freshet::to_string(stats.status)},
          {"model_version", stats.model_version},
          {"total_processed", stats.total_processed},
          {"samples_until_ready", stats.samples_until_ready},
          {"threshold", stats.threshold}};
}

static void refuse(httplib::Response& response, int status, std::string_view id,
                   std::string_view detail, std::string_view field = {}) {
  const json problem{{"status", status}, {"id", id}, {"detail", detail}, {"field", field}};
  response.status = status;
  // What came need not be UTF-8, and the detail may repeat it.
  response.set_content(problem.dump(-1, ' ', false, json::error_handler_t::replace),
                       "application/problem+json");
}

// What `answer` returns, or why it could not; a point that is refused leaves its stream as it was.
static httplib::Server::Handler handler(
    const std::function<json(const httplib::Request&)>& answer) {
  return [answer](const httplib::Request& request, httplib::Response& response) {
    try {
      response.set_content(answer(request).dump(), "application/json");
    } catch (const json::exception& error) {
      refuse(response, 400, "json_malformed", error.what());
    } catch (const freshet::UnknownStreamError& error) {
      refuse(response, 404, error.id(), error.what(), error.field());
    } catch (const freshet::Error& error) {
      refuse(response, 422, error.id(), error.what(), error.field());
    }
  };
}

int main(int argc, char** argv) {
  const freshet::Columns columns({"temperature", "pressure"});
  // httplib answers each connection on a thread of its pool, and a pool of detectors is for that.
  freshet::DetectorPool<Detector> streams([&] {
    return Detector(freshet::Ecod{}, {.n_features = columns.size(),
                                      .min_samples = 50,
                                      .contamination = 0.01,
                                      .columns = {columns.names().begin(), columns.names().end()}});
  });
  httplib::Server server;
  server.set_payload_max_length(65'536);
  // By itself httplib would share a port that another program listens on.
  server.set_socket_options([](socket_t socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
  server.Post("/streams/([^/]+)/points", handler([&](const httplib::Request& request) {
                const std::vector<double> row = read_row(columns, json::parse(request.body));
                return verdict_json(streams.process(request.matches[1].str(), row));
              }));
  server.Get("/streams/([^/]+)", handler([&](const httplib::Request& request) {
               const auto stats = [](const Detector& detector) { return detector.stats(); };
               return stats_json(streams.with_existing(request.matches[1].str(), stats));
             }));

  int port = argc > 1 ? std::stoi(argv[1]) : 8080;  // 0 for any that is free
  if (port == 0) {
    port = server.bind_to_any_port("127.0.0.1");
  } else if (!server.bind_to_port("127.0.0.1", port)) {
    port = -1;
  }
  if (port < 0) {
    std::fprintf(stderr, "%s: the port cannot be had\n", argv[0]);
    return 1;
  }
  std::printf("listening on http://127.0.0.1:%d\n", port);
  std::fflush(stdout);
  server.listen_after_bind();
}
