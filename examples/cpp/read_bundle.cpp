// Serves a model from C++ that was trained in Python: reads a bundle, then a table from standard
// input, and writes the error of every row as soon as it can be told.
//
//   freshet train --data pump.csv --out pump.bundle
//   freshet_example_read_bundle pump.bundle < pump.csv > errors.csv

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "freshet/io/bundle.hpp"

// The fields of a line; for tables without quotes.
static std::vector<std::string> split(std::string line) {
  if (line.ends_with('\r')) line.pop_back();
  std::istringstream stream(line + ',');
  std::vector<std::string> fields;
  for (std::string field; std::getline(stream, field, ',');) fields.push_back(field);
  return fields;
}

// Where the columns that the model was trained on are in the table; it may have others too.
static std::vector<std::size_t> find_columns(const std::vector<std::string>& wanted,
                                             const std::vector<std::string>& header) {
  std::vector<std::size_t> places;
  for (const std::string& name : wanted) {
    const auto found = std::ranges::find(header, name);
    if (found == header.end()) throw std::runtime_error("the table has no column " + name);
    places.push_back(static_cast<std::size_t>(found - header.begin()));
  }
  return places;
}

static double number(const std::vector<std::string>& fields, std::size_t place) {
  double value = 0.0;
  if (place < fields.size()) {
    const std::string& field = fields[place];
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
    if (error == std::errc{} && end == field.data() + field.size()) return value;
  }
  throw std::runtime_error("field " + std::to_string(place + 1) + " is no number");
}

static void score_table(const char* directory) {
  const freshet::Bundle bundle = freshet::load_bundle(directory);
  auto detector = freshet::make_detector(bundle);  // keeps the bundle's model and threshold
  std::string line;
  std::getline(std::cin, line);
  const std::vector<std::size_t> places = find_columns(bundle.columns, split(line));

  std::puts("row,error,label");
  std::vector<double> row(places.size());
  for (std::size_t index = 0; std::getline(std::cin, line); ++index) {
    try {
      const std::vector<std::string> fields = split(line);
      for (std::size_t j = 0; j < row.size(); ++j) row[j] = number(fields, places[j]);
      const freshet::Result verdict = detector.process(row);
      if (verdict.scored) {
        std::printf("%zu,%.17g,%s\n", index, verdict.raw_score,
                    verdict.is_anomaly ? "anomaly" : "normal");
      } else {
        std::printf("%zu,,warmup\n", index);  // until there are as many rows as a window has
      }
    } catch (const std::exception& error) {
      throw std::runtime_error("line " + std::to_string(index + 2) + ": " + error.what());
    }
  }
}

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s BUNDLE < TABLE.csv\n", argv[0]);
    return 2;
  }
  try {
    score_table(argv[1]);
  } catch (const std::exception& error) {  // of a bundle too: damaged, of another version, …
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}
