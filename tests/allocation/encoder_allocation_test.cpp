#include <vector>

#include "counter.hpp"
#include "freshet/features/encoder.hpp"
#include "support/catch.hpp"

using freshet::Encoding;
using freshet::test::n_allocations;

TEST_CASE("encoding and learning categories that are known allocates nothing") {
  freshet::Encoder encoder({"n", "h", "l", "o", "b", "f"}, {{"h", Encoding::hash},
                                                            {"l", Encoding::label},
                                                            {"o", Encoding::onehot},
                                                            {"b", Encoding::binary},
                                                            {"f", Encoding::frequency}});
  const std::vector<std::vector<freshet::Cell>> rows{
      {1.0, "a text that is longer than any that std::string keeps by itself", 1, "x", true, 0.1},
      {2.5, 1e300 / 1e201, "a text that is longer than any that std::string keeps", 7, "no", false},
  };
  for (const auto& row : rows) encoder.learn(row);
  const std::vector<freshet::Cell> unknown{0.0, "new", "new", "new", "off", "new"};
  const std::vector<freshet::Cell> refused{"new", "new", "new", "new", "off", "new"};
  std::vector<double> out(encoder.n_outputs());
  double sum = 0.0;
  int n_refused = 0;
  const long before = n_allocations();
  for (int i = 0; i < 1000; ++i) {
    for (const auto& row : rows) {
      encoder.encode(row, out);
      encoder.learn(row);
      sum += out.back();
    }
    encoder.encode(unknown, out);  // but not learnt
    if (encoder.find_fault(refused)) ++n_refused;
  }
  CHECK(n_allocations() == before);
  CHECK(n_refused == 1000);
  CHECK(sum > 0.0);
}
