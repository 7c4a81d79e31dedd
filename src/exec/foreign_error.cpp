#include "exec/foreign_error.h"

#include <c10/util/Exception.h>

#include <filesystem>
#include <new>
#include <string>

namespace dsc {
namespace {

Error out_of_memory(const std::string& details) {
  return {ErrorCode::resource, "out of memory" + (details.empty() ? "" : ": " + details), {}, "use a smaller batch, or a machine with more memory"};
}

// LibTorch's CPU allocator and OpenVINO say it in words alone.
bool tells_of_memory(const std::string& text) {
  for (const char* words : {"can't allocate memory", "out of memory", "bad_alloc", "Cannot allocate memory"}) {
    if (text.find(words) != std::string::npos) return true;
  }
  return false;
}

Error from_text(const std::string& text, ErrorCode otherwise) {
  if (tells_of_memory(text)) return out_of_memory(text);
  return {otherwise, (otherwise == ErrorCode::internal ? "internal error: " : "") + text};
}

}  // namespace

Error to_error(const std::exception_ptr& exception, ErrorCode otherwise) {
  try {
    std::rethrow_exception(exception);
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return out_of_memory({});
  } catch (const c10::OutOfMemoryError& error) {
    return out_of_memory(error.what_without_backtrace());
  } catch (const c10::NotImplementedError& error) {
    return {ErrorCode::unsupported, error.what_without_backtrace()};
  } catch (const c10::Error& error) {
    return from_text(error.what_without_backtrace(), otherwise);
  } catch (const std::filesystem::filesystem_error& error) {
    return {ErrorCode::io, error.what()};
  } catch (const std::exception& error) {
    return from_text(error.what(), otherwise);
  } catch (...) {
    return {otherwise, "internal error: an exception of unknown type"};
  }
}

}  // namespace dsc
