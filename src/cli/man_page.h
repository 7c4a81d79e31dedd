// Manual pages from what --help says of the same commands.
// source: man-pages(7), groff_man(7)
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace dsc {

struct ManPage {
  std::string name;  // "dscompress-run"
  std::string roff;
};

// A page for the program and one for each of its commands, whose own subcommands stand in it.
std::vector<ManPage> man_pages(const CLI::App& program);

}  // namespace dsc
