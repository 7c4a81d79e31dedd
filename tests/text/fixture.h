// The tiny tokenizers of scripts/make_text_fixtures.py.
#pragma once

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "dscompress/error.h"

namespace dsc::test {

inline std::string text_fixture(const std::string& name) { return std::string(DSC_SOURCE_DIR) + "/tests/fixtures/text/" + name; }

inline nlohmann::json recorded(const std::string& name) { return nlohmann::json::parse(read_file(text_fixture(name + ".json"))); }

// The text of the error that `body` throws.
template <class Body>
std::string error_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.to_text();
  }
  ADD_FAILURE() << "no error";
  return {};
}

}  // namespace dsc::test
