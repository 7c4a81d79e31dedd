// What CI systems show beside a job's log: a summary in Markdown, and annotations at the lines of files.
#pragma once

#include <string>

#include "dscompress/error.h"

namespace CLI {
class App;
}

namespace dsc {

// --summary FILE; GitHub names the file in an environment variable.
void add_summary_option(CLI::App& command, std::string& file);

// Adds to the file what still fits: GitHub refuses summaries above 1 MiB. An empty name: nothing. errors: io.
void append_summary(const std::string& file, const std::string& markdown);
// The same for a command that ended in an error.
void append_summary(const std::string& file, const Error& error);

// Under GitHub Actions: problems at the lines of their files, and a sentence as such.
void annotate(const Error& error);
void annotate(const std::string& message);

}  // namespace dsc
