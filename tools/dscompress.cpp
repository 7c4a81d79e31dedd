// The program: loads the library and hands over. Loading LibTorch takes a third of a second, so that --version, which
// scripts ask often, answers without it.
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

// C++ interfaces of LibTorch differ from one minor version to the next: another than the program was built for fails at some missing
// symbol, or worse, later.
bool is_libtorch_of_the_build() {
  void* torch = ::dlopen("libtorch_cpu.so", RTLD_NOW | RTLD_GLOBAL);
  if (!torch) return true;  // loading the library says what is missing
  const auto abi_version = reinterpret_cast<std::uint64_t (*)()>(::dlsym(torch, "aoti_torch_abi_version"));
  const auto found = abi_version ? abi_version() : 0;  // major, minor and patch in the first bytes; versions below 2.8 do not say
  const auto major = static_cast<unsigned>(found >> 56), minor = static_cast<unsigned>(found >> 48 & 255),
             patch = static_cast<unsigned>(found >> 40 & 255);
  unsigned wanted_major = 0, wanted_minor = 0;
  if (std::sscanf(DSC_LIBTORCH, "%u.%u", &wanted_major, &wanted_minor) != 2 || (major == wanted_major && minor == wanted_minor)) return true;
  Dl_info place{};
  const bool is_known = abi_version && ::dladdr(reinterpret_cast<const void*>(abi_version), &place) != 0 && place.dli_fname;
  std::fprintf(stderr,
               "error: this program was built for LibTorch " DSC_LIBTORCH
               ", and %s is LibTorch %u.%u.%u\n  install that version (pip install torch==" DSC_LIBTORCH "), or build for this one\n",
               is_known ? place.dli_fname : "libtorch_cpu.so", major, minor, patch);
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    std::puts("dscompress " DSC_VERSION);
    return 0;
  }
  // GNU OpenMP's threads spin for a millisecond where they wait for each other. When something else runs on the cores they
  // then mostly spin: a training step was seen ten times slower. A shorter spin costs nothing on an idle machine; one of
  // a tenth of this made training 15 % slower there (scripts/bench training).
  ::setenv("GOMP_SPINCOUNT", "20000", /*overwrite=*/0);
  if (!is_libtorch_of_the_build()) return 3;
  // Global, so that plugins share the library's types and exceptions.
  void* library = ::dlopen("libdscompress.so", RTLD_NOW | RTLD_GLOBAL);
  const auto run = library ? reinterpret_cast<int (*)(int, const char* const*)>(::dlsym(library, "dscompress_main")) : nullptr;
  if (!run) {
    std::fprintf(stderr, "cannot load libdscompress.so: %s\n", ::dlerror());
    return 3;
  }
  return run(argc, argv);
}
