#include "cli/ci.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

namespace dsc {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostBytes = 900'000;

bool is_github() {
  const char* set = std::getenv("GITHUB_ACTIONS");
  return set && std::string(set) == "true";
}

// As GitHub's toolkit escapes values of workflow commands; properties (file=...) need : and , as well.
std::string escape(const std::string& text, bool property) {
  std::string escaped;
  for (const char c : text) {
    if (c == '%') escaped += "%25";
    else if (c == '\r') escaped += "%0D";
    else if (c == '\n') escaped += "%0A";
    else if (property && c == ':') escaped += "%3A";
    else if (property && c == ',') escaped += "%2C";
    else escaped += c;
  }
  return escaped;
}

// GitHub finds files by their path in the repository.
std::string path_in_repository(const std::string& file) {
  const char* workspace = std::getenv("GITHUB_WORKSPACE");
  if (!workspace || !fs::path(file).is_absolute()) return file;
  const auto relative = fs::path(file).lexically_relative(workspace).string();
  return relative.empty() || relative.starts_with("..") ? file : relative;
}

void print_annotation(const Place& place, const std::string& message) {
  std::string properties;
  if (!place.file.empty()) {
    properties = " file=" + escape(path_in_repository(place.file), true);
    if (place.line > 0) properties += ",line=" + std::to_string(place.line);
    if (place.line > 0 && place.column > 0) properties += ",col=" + std::to_string(place.column);
  }
  std::cerr << "::error" << properties << "::" << escape(message, false) << std::endl;  // GitHub reads both streams
}

}  // namespace

void add_summary_option(CLI::App& command, std::string& file) {
  command.add_option("--summary", file, "Append a Markdown summary to this file")->envname("GITHUB_STEP_SUMMARY")->type_name("FILE");
}

void append_summary(const std::string& file, const std::string& markdown) {
  if (file.empty()) return;
  std::error_code missing;  // a file that is not there yet is empty
  const auto size = fs::file_size(file, missing);
  const std::size_t room = missing ? kMostBytes : kMostBytes - std::min<std::uintmax_t>(size, kMostBytes);
  static const std::string shortened = "\n\n(shortened: all of it is in the run folder)\n";
  std::string text = markdown + "\n";
  if (text.size() > room) {
    if (room <= shortened.size()) return;
    text.resize(text.rfind('\n', room - shortened.size()) == std::string::npos ? 0 : text.rfind('\n', room - shortened.size()));
    text += shortened;
  }
  std::ofstream out(file, std::ios::binary | std::ios::app);
  out << text;
  out.close();
  if (!out) throw Error(ErrorCode::io, "cannot write the summary", {.file = file}, "name a file in a folder that exists with --summary");
}

void append_summary(const std::string& file, const Error& error) {
  append_summary(file, "# dscompress: " + std::string(to_string(error.code())) + "\n\n```\n" + error.what() + "\n```\n");
}

void annotate(const Error& error) {
  if (!is_github()) return;
  for (const auto& problem : error.problems()) print_annotation(problem.place, problem.message + (problem.hint.empty() ? "" : "\nhint: " + problem.hint));
}

void annotate(const std::string& message) {
  if (is_github()) print_annotation({}, message);
}

}  // namespace dsc
