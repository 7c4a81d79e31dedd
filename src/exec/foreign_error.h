// Exceptions of LibTorch, OpenVINO and the standard library, as the one exception of dscompress.
#pragma once

#include <exception>

#include "dscompress/error.h"

namespace dsc {

// For a `catch (...)`: what `std::current_exception()` means. An Error stays as it is; memory that ran out is `resource`,
// whoever says so, an operator without a kernel `unsupported`, files and folders `io`, and the rest `otherwise`.
Error to_error(const std::exception_ptr& exception, ErrorCode otherwise = ErrorCode::internal);

}  // namespace dsc
