#include "cli/man_page.h"

#include <algorithm>
#include <cctype>
#include <CLI/CLI.hpp>
#include <sstream>

#include "core/utc.h"
#include "pipeline/version.h"

namespace dsc {
namespace {

constexpr const char* kExitStatus = "\nExit status: ";

std::string escaped(const std::string& text) {
  std::string roff;
  for (const char c : text) {
    if (c == '\\')
      roff += "\\e";
    else if (c == '-')
      roff += "\\-";
    else
      roff += c;
  }
  return roff;
}

// Lines of text; none may look like a request.
std::string text_lines(const std::string& text) {
  std::istringstream lines(text);
  std::string roff;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    roff += (line.starts_with('.') || line.starts_with('\'') ? "\\&" : "") + escaped(line) + "\n";
  }
  return roff;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  return {commands.begin(), commands.end()};
}

std::vector<const CLI::Option*> options_of(const CLI::App& app, bool positional) {
  std::vector<const CLI::Option*> options;
  for (const auto* option : app.get_options()) {
    if (!option->get_group().empty() && option->get_positional() == positional) options.push_back(option);
  }
  return options;
}

// \fB\-o\fR, \fB\-\-output\-dir\fR \fIDIR\fR
std::string heading(const CLI::Option& option) {
  if (option.get_positional()) return "\\fI" + escaped(option.get_name()) + "\\fR";
  std::vector<std::string> names;
  for (const auto& name : option.get_snames()) names.push_back("-" + name);
  for (const auto& name : option.get_lnames()) names.push_back("--" + name);
  std::string roff;
  for (const auto& name : names) roff += (roff.empty() ? "" : ", ") + ("\\fB" + escaped(name) + "\\fR");
  if (option.get_expected_max() > 0 && !option.get_type_name().empty()) roff += " \\fI" + escaped(option.get_type_name()) + "\\fR";
  return roff;
}

std::string description(const CLI::Option& option) {
  std::string text = option.get_description();
  if (!option.get_default_str().empty()) text += " (default: " + option.get_default_str() + ")";
  if (option.get_required() && !option.get_positional()) text += " (required)";
  return text_lines(text.empty() ? option.get_name() : text);
}

std::string entries(const std::vector<const CLI::Option*>& options) {
  std::string roff;
  for (const auto* option : options) roff += ".TP\n" + heading(*option) + "\n" + description(*option);
  return roff;
}

std::string synopsis(const CLI::App& app, const std::string& invocation) {
  std::string roff = ".B " + escaped(invocation) + "\n";
  if (!options_of(app, false).empty()) roff += "[\\fIOPTIONS\\fR]\n";
  for (const auto* argument : options_of(app, true)) {
    const auto name = "\\fI" + escaped(argument->get_name()) + "\\fR" + (argument->get_expected_max() > 1 ? "..." : "");
    roff += (argument->get_required() ? name : "[" + name + "]") + "\n";
  }
  const auto commands = commands_of(app);
  if (!commands.empty()) roff += app.get_require_subcommand_min() > 0 ? "\\fICOMMAND\\fR\n" : "[\\fICOMMAND\\fR]\n";
  return roff;
}

// What a footer says before a line "Examples:", and below it; then perhaps what statuses mean.
struct Footer {
  std::string notes, examples;
};

Footer parts_of(std::string footer) {
  if (const auto statuses = footer.find(kExitStatus); statuses != std::string::npos) footer.erase(statuses);
  const auto heading = footer.starts_with("Example") ? 0 : footer.find("\nExample");
  if (heading == std::string::npos) return {footer, {}};
  return {footer.substr(0, heading), footer.substr(std::min(footer.size(), footer.find('\n', heading + 1)))};
}

std::string examples(const CLI::App& app) {
  const auto text = text_lines(parts_of(app.get_footer()).examples);
  return text.empty() ? "" : ".SH EXAMPLES\n.nf\n" + text + ".fi\n";
}

std::string notes(const CLI::App& app) {
  const auto text = text_lines(parts_of(app.get_footer()).notes);
  return text.empty() ? "" : ".PP\n" + text;
}

std::string exit_statuses(const CLI::App& program) {
  const auto footer = program.get_footer();
  const auto begin = footer.find(kExitStatus);
  return begin == std::string::npos ? "" : ".SH EXIT STATUS\n" + text_lines(footer.substr(begin + std::char_traits<char>::length(kExitStatus)));
}

std::string page_name(const CLI::App& program, const CLI::App* command) { return program.get_name() + (command ? "-" + command->get_name() : ""); }

std::string title(const std::string& name, const std::string& summary) {
  std::string upper = name;
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const char* reproducible = std::getenv("SOURCE_DATE_EPOCH");  // reproducible-builds.org/specs/source-date-epoch
  const auto date = reproducible ? utc_time("%Y-%m-%d", std::strtoll(reproducible, nullptr, 10)) : utc_time("%Y-%m-%d");
  return ".TH " + escaped(upper) + " 1 " + date + " \"dscompress " + std::string(version()) + "\" \"dscompress\"\n.SH NAME\n" + escaped(name) +
         " \\- " + escaped(summary) + "\n";
}

std::string see_also(const CLI::App& program, const CLI::App* page) {
  std::vector<std::string> names;
  if (page) names.push_back(page_name(program, nullptr));
  for (const auto* command : commands_of(program)) {
    if (!page) names.push_back(page_name(program, command));
  }
  std::string roff = ".SH SEE ALSO\n";
  for (std::size_t i = 0; i < names.size(); ++i) roff += ".BR " + escaped(names[i]) + " (1)" + (i + 1 < names.size() ? " ,\n" : "\n");
  return roff;
}

std::string program_page(const CLI::App& program) {
  std::string roff = title(program.get_name(), "compresses PyTorch models from a recipe") + ".SH SYNOPSIS\n" + synopsis(program, program.get_name()) +
                     ".SH DESCRIPTION\n" + text_lines(program.get_description()) + ".SH COMMANDS\n";
  for (const auto* command : commands_of(program)) roff += ".TP\n.B " + escaped(command->get_name()) + "\n" + text_lines(command->get_description());
  return roff + ".SH OPTIONS\n" + entries(options_of(program, false)) + examples(program) + exit_statuses(program) + see_also(program, nullptr);
}

std::string command_page(const CLI::App& program, const CLI::App& command) {
  const auto invocation = program.get_name() + " " + command.get_name();
  std::string roff = title(page_name(program, &command), command.get_description()) + ".SH SYNOPSIS\n" + synopsis(command, invocation) +
                     ".SH DESCRIPTION\n" + text_lines(command.get_description() + ".") + notes(command);
  if (const auto arguments = options_of(command, true); !arguments.empty()) roff += ".SH ARGUMENTS\n" + entries(arguments);
  roff += ".SH OPTIONS\n" + entries(options_of(command, false));
  for (const auto* sub : commands_of(command)) {
    roff += ".SH " + escaped(sub->get_name()) + "\n" + synopsis(*sub, invocation + " " + sub->get_name()) + ".PP\n" +
            text_lines(sub->get_description() + ".") + entries(options_of(*sub, true)) + entries(options_of(*sub, false));
  }
  return roff + ".SH GLOBAL OPTIONS\n" + entries(options_of(program, false)) + examples(command) + exit_statuses(program) +
         see_also(program, &command);
}

}  // namespace

std::vector<ManPage> man_pages(const CLI::App& program) {
  std::vector<ManPage> pages{{page_name(program, nullptr), program_page(program)}};
  for (const auto* command : commands_of(program)) pages.push_back({page_name(program, command), command_page(program, *command)});
  return pages;
}

}  // namespace dsc
