#include "pipeline/plugins.h"

#include <dlfcn.h>

#include "core/file.h"

namespace dsc {

void load_plugin(const std::string& path, PassTable& table) {
  const auto file = absolute_path(path);
  void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* reason = ::dlerror();
    throw Error(ErrorCode::usage, std::string("cannot load the plugin: ") + (reason ? reason : "unknown reason"), {.file = path});
  }
  const auto interface = reinterpret_cast<int (*)()>(::dlsym(library, "dscompress_plugin_interface"));
  const auto add = reinterpret_cast<void (*)(PassTable&)>(::dlsym(library, "dscompress_plugin"));
  if (!interface || !add) {
    throw Error(ErrorCode::usage, "this library is not a dscompress plugin", {.file = path},
                "define its entry with DSCOMPRESS_PLUGIN(table) from dscompress/pass.h");
  }
  if (interface() != kPluginInterface) {
    throw Error(ErrorCode::usage, "the plugin was built for interface " + std::to_string(interface()) + ", this program has " +
                                      std::to_string(kPluginInterface), {.file = path}, "build it against this version's headers");
  }
  add(table);
}

}  // namespace dsc
