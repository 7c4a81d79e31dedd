// dscompress help [COMMAND]: what --help shows; with --man as manual pages.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "cli/man_page.h"
#include "cli/session.h"
#include "core/file.h"
#include "core/names.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

struct HelpCommand {
  std::vector<std::string> command;  // "cache list"
  bool man = false;
  std::string folder;
};

struct FoundCommand {
  const CLI::App* app;
  std::string invocation;  // "dscompress cache list"
};

FoundCommand find_command(const CLI::App& program, const std::vector<std::string>& words) {
  FoundCommand found{&program, program.get_name()};
  for (const auto& word : words) {
    const CLI::App* next = nullptr;
    std::vector<std::string> known;
    for (const auto* command : found.app->get_subcommands([](const CLI::App*) { return true; })) {
      known.push_back(command->get_name());
      if (command->get_name() == word) next = command;
    }
    if (!next) throw Error(ErrorCode::usage, "there is no command `" + word + "`", {}, suggest(word, known) + " See dscompress --help");
    found = {next, found.invocation + " " + word};
  }
  return found;
}

int show_help(const CLI::App& program, const HelpCommand& help) {
  const auto [command, invocation] = find_command(program, help.command);
  if (!help.man) {
    std::cout << command->get_formatter()->make_help(command, invocation, CLI::AppFormatMode::Normal);  // help() is that of the command that runs
    return 0;
  }
  const auto pages = man_pages(program);
  const auto wanted = program.get_name() + (help.command.empty() ? "" : "-" + help.command.front());
  if (!help.folder.empty()) make_folders(help.folder);
  for (const auto& page : pages) {
    if (!help.folder.empty())
      write_file_atomically(help.folder + "/" + page.name + ".1", page.roff);
    else if (page.name == wanted)
      std::cout << page.roff;
  }
  return 0;
}

}  // namespace

void add_help_command(CLI::App& app, Session& session) {
  auto help = std::make_shared<HelpCommand>();
  auto* command = app.add_subcommand("help", "Show what a command does and takes, as text or as a manual page");
  command->add_option("COMMAND", help->command, "The command; default: the program")->type_name("");
  auto* man = command->add_flag("--man", help->man, "Print the manual page (roff)");
  command->add_option("--to", help->folder, "Write the manual pages of all commands into this folder")->type_name("DIR")->needs(man);
  command->footer("Examples:\n  dscompress help run\n  dscompress help run --man | man -l -\n  dscompress help --man --to ~/.local/share/man/man1");
  command->callback([&app, &session, help] { session.run = [&app, help] { return show_help(app, *help); }; });
}

}  // namespace dsc
