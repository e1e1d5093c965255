#include "all_headers.hpp"

std::string_view version_seen_elsewhere();

std::string_view version_seen_elsewhere() { return freshet::version; }
