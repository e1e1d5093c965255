#include "freshet/io/verified_directory.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "support/catch.hpp"
#include "support/scratch.hpp"

namespace {

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using freshet::ErrorCode;
using freshet::FileContents;
using freshet::ModelFileError;
using freshet::VerifiedDirectory;
using freshet::write_verified_directory;
using freshet::test::Scratch;
using nlohmann::ordered_json;

std::vector<std::byte> to_bytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void put_text(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

ordered_json manifest() {
  ordered_json result = ordered_json::object();
  result["format"] = "freshet-test";
  result["format_version"] = 3;
  result["author"] = "Zoë";
  return result;
}

FileContents contents() { return {{"b.txt", to_bytes("abc")}, {"a.bin", {}}}; }

VerifiedDirectory read(const fs::path& directory) {
  constexpr std::array<std::string_view, 2> expected{"a.bin", "b.txt"};
  return freshet::read_verified_directory(directory, "freshet-test", 3, expected);
}

ModelFileError error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ModelFileError& error) {
    return error;
  }
  FAIL("expected a ModelFileError");
  throw std::logic_error("unreachable");
}

ModelFileError read_error(const fs::path& directory) {
  return error_of([&] { (void)read(directory); });
}

/// Writes a sample, lets `change` change its manifest, and gives the error of reading it.
ModelFileError error_after(const std::function<void(ordered_json&)>& change) {
  const Scratch scratch;
  write_verified_directory(scratch / "model", manifest(), contents());
  const fs::path path = scratch / "model/manifest.json";
  ordered_json document = ordered_json::parse(text_of(path));
  change(document);
  put_text(path, document.dump());
  return read_error(scratch / "model");
}

}  // namespace

TEST_CASE("a directory survives the way to the disk and back") {
  const Scratch scratch;
  const fs::path target = scratch / GENERATE(as<std::string>(), "model", "model/");
  write_verified_directory(target, manifest(), contents());
  const VerifiedDirectory copy = read(target);
  CHECK(copy.files == contents());
  CHECK(copy.manifest["author"] == "Zoë");
  CHECK(scratch.names() == std::set<std::string>{"model"});
  CHECK(text_of(scratch / "model/b.txt") == "abc");
}

TEST_CASE("the manifest on disk keeps its order and names every file") {
  const Scratch scratch;
  write_verified_directory(scratch / "model", manifest(), contents());
  CHECK(text_of(scratch / "model/manifest.json") == R"({
  "format": "freshet-test",
  "format_version": 3,
  "author": "Zoë",
  "files": {
    "a.bin": {
      "bytes": 0,
      "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    },
    "b.txt": {
      "bytes": 3,
      "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    }
  }
}
)");
}

TEST_CASE("a relative path is one below the working directory") {
  const Scratch scratch;
  const fs::path before = fs::current_path();
  fs::current_path(scratch / "");
  write_verified_directory("model", manifest(), contents());
  write_verified_directory("model", manifest(), contents());
  fs::current_path(before);
  CHECK(read(scratch / "model").files == contents());
  CHECK(scratch.names() == std::set<std::string>{"model"});
}

TEST_CASE("a file that is not there is named") {
  const Scratch scratch;
  const ModelFileError none = read_error(scratch / "model");
  CHECK(none.code() == ErrorCode::file_missing);
  CHECK_THAT(none.what(), ContainsSubstring((scratch / "model").string()));

  write_verified_directory(scratch / "model", manifest(), contents());
  const std::string name = GENERATE(as<std::string>(), "b.txt", "manifest.json");
  fs::remove(scratch / "model" / name);
  const ModelFileError error = read_error(scratch / "model");
  CHECK(error.code() == ErrorCode::file_missing);
  CHECK(error.field() == name);
  CHECK_THAT(error.what(), ContainsSubstring(name));
}

TEST_CASE("a changed byte is found and both hashes are named") {
  const Scratch scratch;
  write_verified_directory(scratch / "model", manifest(), contents());
  put_text(scratch / "model/b.txt", "abd");
  const ModelFileError error = read_error(scratch / "model");
  CHECK(error.code() == ErrorCode::file_hash);
  CHECK(error.field() == "b.txt");
  CHECK_THAT(error.what(),
             ContainsSubstring("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  CHECK_THAT(error.what(),
             ContainsSubstring("a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9"));
}

TEST_CASE("a wrong size is found before the file is read") {
  const Scratch scratch;
  write_verified_directory(scratch / "model", manifest(), contents());
  SECTION("another than the manifest's") {
    put_text(scratch / "model/b.txt", "abcd");
    const ModelFileError error = read_error(scratch / "model");
    CHECK(error.code() == ErrorCode::file_corrupt);
    CHECK(error.field() == "b.txt");
    CHECK_THAT(error.what(), ContainsSubstring("has 4 bytes; expected 3 bytes"));
  }
  SECTION("huge") {
    fs::resize_file(scratch / "model/b.txt", std::uintmax_t{1} << 40U);
    CHECK_THAT(read_error(scratch / "model").what(), ContainsSubstring("expected 3 bytes"));
  }
  SECTION("a huge manifest") {
    fs::resize_file(scratch / "model/manifest.json", std::uintmax_t{1} << 40U);
    const ModelFileError error = read_error(scratch / "model");
    CHECK(error.code() == ErrorCode::file_corrupt);
    CHECK_THAT(error.what(), ContainsSubstring("at most 16777216 bytes"));
  }
}

TEST_CASE("only regular files are read") {
  const Scratch scratch;
  write_verified_directory(scratch / "model", manifest(), contents());
  const std::string name = GENERATE(as<std::string>(), "b.txt", "manifest.json");
  const fs::path path = scratch / "model" / name;
  fs::rename(path, scratch / "kept");
  SECTION("no link, even to the right bytes") { fs::create_symlink(scratch / "kept", path); }
  SECTION("no pipe, on which reading would wait") { REQUIRE(::mkfifo(path.c_str(), 0600) == 0); }
  SECTION("no directory") { fs::create_directory(path); }
  const ModelFileError error = read_error(scratch / "model");
  CHECK(error.code() == ErrorCode::file_corrupt);
  CHECK(error.field() == name);
  CHECK_THAT(error.what(), ContainsSubstring("expected a regular file"));
}

TEST_CASE("every mistake in the manifest is named") {
  const std::string hash(64, 'a');
  const auto check = [](const std::function<void(ordered_json&)>& change, ErrorCode code,
                        const std::string& field, const std::string& part) {
    const ModelFileError error = error_after(change);
    CAPTURE(error.what());
    CHECK(error.code() == code);
    CHECK(error.field() == field);
    CHECK_THAT(error.what(), ContainsSubstring(part));
    CHECK_THAT(error.what(), ContainsSubstring("manifest.json"));
  };
  const auto set = [](const std::string& pointer, const ordered_json& value) {
    return [=](ordered_json& json) { json[ordered_json::json_pointer(pointer)] = value; };
  };
  constexpr auto corrupt = ErrorCode::file_corrupt;
  check(set("/format", "other"), corrupt, "format",
        "format is \"other\"; expected \"freshet-test\"");
  check(set("/format", 1), corrupt, "format", "no text");
  check([](ordered_json& json) { json.erase("format"); }, corrupt, "format", "format is missing");
  check(set("/format_version", 4), ErrorCode::file_version, "format_version", "is 4, which");
  check(set("/format_version", -3), ErrorCode::file_version, "format_version", "is -3, which");
  check(set("/format_version", 18446744073709551615U), ErrorCode::file_version, "format_version",
        "expected 3");
  check(set("/format_version", 3.0), corrupt, "format_version", "no integer");
  check(set("/format_version", "3"), corrupt, "format_version", "no integer");
  check([](ordered_json& json) { json.erase("files"); }, corrupt, "files", "files is missing");
  check(set("/files", ordered_json::array()), corrupt, "files", "files is no object");
  check(set("/files/..~1secret", {{"bytes", 1}, {"sha256", hash}}), corrupt, "../secret",
        "files names \"../secret\"; expected only \"a.bin\", \"b.txt\"");
  check([](ordered_json& json) { json["files"].erase("b.txt"); }, ErrorCode::file_missing, "b.txt",
        "files does not name \"b.txt\"");
  check(set("/files/b.txt", 1), corrupt, "b.txt", "something else");
  check(set("/files/b.txt/more", 1), corrupt, "b.txt", "something else");
  check(set("/files/b.txt", {{"bytes", 3}, {"md5", hash}}), corrupt,
        "the record of \"b.txt\": sha256", "is missing");
  check(set("/files/b.txt/bytes", -1), corrupt, "b.txt", "no valid size");
  check(set("/files/b.txt/bytes", 3.0), corrupt, "b.txt", "no valid size");
  check(set("/files/b.txt/bytes", (1U << 30U) + 1), corrupt, "b.txt", "no valid size");
  check(set("/files/b.txt/sha256", hash + "a"), corrupt, "b.txt", "no valid hash");
  check(set("/files/b.txt/sha256", std::string(64, 'A')), corrupt, "b.txt", "no valid hash");
  check(set("/files/b.txt/sha256", hash), ErrorCode::file_hash, "b.txt", "SHA-256");
}

TEST_CASE("a manifest that is no JSON is refused") {
  const Scratch scratch;
  write_verified_directory(scratch / "model", manifest(), contents());
  const auto [text, part] = GENERATE(table<std::string, std::string>({
      {"", "malformed at byte"},
      {"{", "malformed at byte"},
      {"{} {}", "malformed at byte"},
      {std::string("{}\0", 3), "malformed at byte 3"},
      {"[1]", "it is no object"},
      {R"({"format": "freshet-test", "format": "other"})", "\"format\" is there twice"},
      {"{\"a\":" + std::string(1'000'000, '['), "deeper than 32 levels"},
      {"{\"a\": \"\xff\"}", "malformed at byte"},
  }));
  put_text(scratch / "model/manifest.json", text);
  const ModelFileError error = read_error(scratch / "model");
  CHECK(error.code() == ErrorCode::file_corrupt);
  CHECK_THAT(error.what(), ContainsSubstring(part));
}

TEST_CASE("a directory is replaced as a whole") {
  const Scratch scratch;
  write_verified_directory(scratch / "model", manifest(),
                           {{"a.bin", to_bytes("old")}, {"gone.txt", to_bytes("old")}});
  write_verified_directory(scratch / "model", manifest(), contents());
  CHECK(read(scratch / "model").files == contents());
  CHECK_FALSE(fs::exists(scratch / "model/gone.txt"));
  CHECK(scratch.names() == std::set<std::string>{"model"});

  fs::create_directory(scratch / "empty");
  write_verified_directory(scratch / "empty", manifest(), contents());
  CHECK(read(scratch / "empty").files == contents());
  CHECK(scratch.names() == std::set<std::string>{"empty", "model"});
}

TEST_CASE("directories are exchanged step by step where the system cannot do it at once") {
  const Scratch scratch;
  fs::create_directory(scratch / "left");
  put_text(scratch / "left/l", "left");
  fs::create_directory(scratch / "right");
  put_text(scratch / "right/r", "right");
  CHECK(freshet::iodetail::exchange_stepwise(scratch / "left", scratch / "right"));
  CHECK(text_of(scratch / "right/l") == "left");
  CHECK(text_of(scratch / "left/r") == "right");
  CHECK(scratch.names() == std::set<std::string>{"left", "right"});

  // The second step fails: what the first moved is put back.
  CHECK_FALSE(freshet::iodetail::exchange_stepwise(scratch / "nothing", scratch / "right"));
  CHECK(errno == ENOENT);
  CHECK(text_of(scratch / "right/l") == "left");
  CHECK(scratch.names() == std::set<std::string>{"left", "right"});
}

TEST_CASE("what must not be replaced is left as it is") {
  const Scratch scratch;
  const fs::path target = scratch / "target";
  fs::create_directory(scratch / "other");
  put_text(scratch / "other/manifest.json", "{}");
  const auto refused = [&](const std::string& part) {
    const auto before = scratch.names();
    const ModelFileError error =
        error_of([&] { write_verified_directory(target, manifest(), contents()); });
    CHECK(error.code() == ErrorCode::file_unwritable);
    CHECK(error.field() == target.string());
    CHECK_THAT(error.what(), ContainsSubstring(target.string()));
    CHECK_THAT(error.what(), ContainsSubstring(part));
    CHECK(scratch.names() == before);
  };
  SECTION("a file") {
    put_text(target, "precious");
    refused("no directory");
    CHECK(text_of(target) == "precious");
  }
  SECTION("a directory of something else") {
    fs::create_directory(target);
    put_text(target / "precious", "precious");
    refused("no manifest.json");
    CHECK(text_of(target / "precious") == "precious");
  }
  SECTION("a link") {
    fs::create_directory_symlink(scratch / "other", target);
    refused("no directory");
    CHECK(fs::is_symlink(target));
    CHECK(text_of(scratch / "other/manifest.json") == "{}");
  }
}

TEST_CASE("a write that fails leaves the old one whole and nothing else") {
  const Scratch scratch;
  const fs::path target = scratch / "model";
  write_verified_directory(target, manifest(), contents());
  ordered_json document = manifest();
  FileContents files{{"a.bin", to_bytes("new")}, {"b.txt", to_bytes("new")}};
  std::string part;
  SECTION("a name that the file system refuses, after another file has been written") {
    files[std::string(300, 'z')] = {};
    part = std::make_error_code(std::errc::filename_too_long).message();
  }
  SECTION("a name outside of the directory") {
    files["../escaped"] = to_bytes("new");
    part = "cannot be named \"../escaped\"";
  }
  SECTION("the manifest's own name") {
    files["manifest.json"] = {};
    part = "cannot be named";
  }
  SECTION("no name") {
    files[GENERATE(as<std::string>(), "", ".", "..")] = {};
    part = "cannot be named";
  }
  SECTION("a manifest that is no object") {
    document = ordered_json::array();
    part = "no JSON object";
  }
  SECTION("a manifest that is no UTF-8") {
    document["author"] = "\xff";
    part = "no UTF-8";
  }
  SECTION("a manifest that no reader would accept") {
    ordered_json deep = 1;
    for (int i = 0; i < 40; ++i) deep = ordered_json::array({deep});
    document["deep"] = deep;
    part = "deeper than 32 levels";
  }
  const ModelFileError error = error_of([&] { write_verified_directory(target, document, files); });
  CHECK(error.code() == ErrorCode::file_unwritable);
  CHECK_THAT(error.what(), ContainsSubstring(part));
  CHECK_THAT(error.what(), ContainsSubstring(target.parent_path().string()));
  CHECK(read(target).files == contents());
  CHECK(scratch.names() == std::set<std::string>{"model"});
}

TEST_CASE("a place that cannot be is an error with the system's reason") {
  const Scratch scratch;
  put_text(scratch / "file", "text");
  const auto [name, reason] = GENERATE(
      table<std::string, std::errc>({{"file/model", std::errc::not_a_directory},
                                     {"nowhere/model", std::errc::no_such_file_or_directory}}));
  const fs::path target = scratch / name;
  const ModelFileError error =
      error_of([&] { write_verified_directory(target, manifest(), contents()); });
  CHECK(error.code() == ErrorCode::file_unwritable);
  CHECK_THAT(error.what(), ContainsSubstring(std::make_error_code(reason).message()));
  CHECK(text_of(scratch / "file") == "text");
  CHECK(scratch.names() == std::set<std::string>{"file"});
  CHECK(error_of([] { write_verified_directory("", manifest(), {}); }).code() ==
        ErrorCode::file_unwritable);
}

TEST_CASE("what an interrupted writer has left is not touched") {
  const Scratch scratch;
  fs::create_directory(scratch / ".freshet-partial-0");
  put_text(scratch / ".freshet-partial-0/a.bin", "half");
  put_text(scratch / ".freshet-partial-1", "a file of that name");
  write_verified_directory(scratch / "model", manifest(), contents());
  CHECK(read(scratch / "model").files == contents());
  CHECK(text_of(scratch / ".freshet-partial-0/a.bin") == "half");
  CHECK(scratch.names() ==
        std::set<std::string>{".freshet-partial-0", ".freshet-partial-1", "model"});
}

TEST_CASE("a reader always sees the files of one writer") {
  const Scratch scratch;
  const auto write = [&](char letter, const fs::path& target) {
    const std::string text(50'000, letter);
    write_verified_directory(target, manifest(),
                             {{"a.bin", to_bytes(text)}, {"b.txt", to_bytes(text)}});
  };
  write('a', scratch / "model");
  std::atomic<bool> stop = false;
  std::atomic<bool> ended = false;
  std::string writing = "no error";
  std::thread writer([&] {
    try {
      for (int i = 0; !stop; ++i) write(static_cast<char>('a' + i % 26), scratch / "model");
    } catch (const ModelFileError& error) {
      writing = error.what();
    }
    ended = true;
  });
  std::string reading = "no error";
  std::set<std::byte> seen;
  try {
    for (int i = 0; !ended && (i < 300 || seen.size() < 5); ++i) {
      const VerifiedDirectory model = read(scratch / "model");
      if (model.files.at("a.bin") != model.files.at("b.txt")) reading = "mixed files";
      seen.insert(model.files.at("a.bin").front());
    }
  } catch (const ModelFileError& error) {
    reading = error.what();
  }
  stop = true;
  writer.join();
  CHECK(writing == "no error");
  CHECK(reading == "no error");
  CHECK(scratch.names() == std::set<std::string>{"model"});
}
