#include "core/build_fingerprint.h"

#include <dlfcn.h>

#include "core/hash.h"

namespace dsc {

std::string build_fingerprint() {
  Dl_info info{};
  // The library or program that holds this very function.
  const bool is_known = ::dladdr(reinterpret_cast<const void*>(&build_fingerprint), &info) != 0 && info.dli_fname;
  return fingerprint_path(is_known ? info.dli_fname : "/proc/self/exe");
}

}  // namespace dsc
