#include "all_headers.hpp"

std::string_view version_seen_elsewhere();

int main() { return version_seen_elsewhere() == freshet::version ? 0 : 1; }
