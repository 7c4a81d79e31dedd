// The command line: parses, calls, and maps every Error to its exit status.
#pragma once

namespace dsc {

// argv as given to main. returns: the process's exit status.
int run_command_line(int argc, const char* const* argv);

}  // namespace dsc

// The same for the program, which loads the library by name.
extern "C" int dscompress_main(int argc, const char* const* argv);
