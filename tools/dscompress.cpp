// The program: loads the library and hands over. Loading LibTorch takes a third of a second, so that --version, which
// scripts ask often, answers without it.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    std::puts("dscompress " DSC_VERSION);
    return 0;
  }
  // GNU OpenMP's threads spin for a millisecond where they wait for each other. When something else runs on the cores they
  // then mostly spin: a training step was seen ten times slower. A shorter spin costs nothing on an idle machine; one of
  // a tenth of this made training 15 % slower there (scripts/bench training).
  ::setenv("GOMP_SPINCOUNT", "20000", /*overwrite=*/0);
  // Global, so that plugins share the library's types and exceptions.
  void* library = ::dlopen("libdscompress.so", RTLD_NOW | RTLD_GLOBAL);
  const auto run = library ? reinterpret_cast<int (*)(int, const char* const*)>(::dlsym(library, "dscompress_main")) : nullptr;
  if (!run) {
    std::fprintf(stderr, "cannot load libdscompress.so: %s\n", ::dlerror());
    return 3;
  }
  return run(argc, argv);
}
