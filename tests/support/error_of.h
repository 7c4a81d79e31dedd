// The error that something throws.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "dscompress/error.h"

namespace dsc::test {

inline Error error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return {ErrorCode::internal, "no error"};
}

}  // namespace dsc::test
