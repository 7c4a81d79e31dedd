// dscompress completion SHELL: a script that completes subcommands, options and their choices; files otherwise.
#include <CLI/CLI.hpp>
#include <iostream>
#include <map>

#include "cli/session.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

std::string joined(const std::vector<std::string>& words, const char* between = " ") {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const auto* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) flags.push_back("--" + name);
  }
  return flags;
}

// Subcommand -> its options, the program's own included.
std::map<std::string, std::vector<std::string>> flags_by_command(const CLI::App& app) {
  std::map<std::string, std::vector<std::string>> commands;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    auto& flags = commands[command->get_name()] = flags_of(*command);
    for (auto& flag : flags_of(app)) flags.push_back(std::move(flag));
  }
  return commands;
}

std::vector<std::string> names_of(const std::map<std::string, std::vector<std::string>>& commands) {
  std::vector<std::string> names;
  for (const auto& entry : commands) names.push_back(entry.first);
  return names;
}

// compgen offers words; with nothing to offer, `-o default` lets the shell complete files.
void print_bash(const CLI::App& app) {
  const auto commands = flags_by_command(app);
  std::cout << "# bash completion; use: source <(dscompress completion bash)\n"
               "_dscompress() {\n"
               "  local word=\"${COMP_WORDS[COMP_CWORD]}\" command=\"\" candidate words=\"\"\n"
               "  for candidate in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
               "    case \" " << joined(names_of(commands)) << " \" in *\" $candidate \"*) command=$candidate; break ;; esac\n"
               "  done\n"
               "  case \"$command\" in\n"
               "    \"\") words=\"" << joined(names_of(commands)) << ' ' << joined(flags_of(app)) << "\" ;;\n";
  for (const auto& [name, flags] : commands) std::cout << "    " << name << ") [[ $word == -* ]] && words=\"" << joined(flags) << "\" ;;\n";
  std::cout << "  esac\n"
               "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
               "}\n"
               "complete -o default -o bashdefault -F _dscompress dscompress\n";
}

void print_fish(const CLI::App& app) {
  std::cout << "# fish completion; use: dscompress completion fish | source\n";
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    std::cout << "complete -c dscompress -n __fish_use_subcommand -a " << command->get_name() << '\n';
    for (const auto& flag : flags_of(*command)) {
      std::cout << "complete -c dscompress -n '__fish_seen_subcommand_from " << command->get_name() << "' -l " << flag.substr(2) << '\n';
    }
  }
  for (const auto& flag : flags_of(app)) std::cout << "complete -c dscompress -l " << flag.substr(2) << '\n';
}

// Works in a folder of $fpath, where zsh runs the file as the function, and sourced.
void print_zsh(const CLI::App& app) {
  const auto commands = flags_by_command(app);
  std::cout << "#compdef dscompress\n"
               "# zsh completion; use: source <(dscompress completion zsh)\n"
               "_dscompress() {\n"
               "  local word command=\"\"\n"
               "  for word in ${words[2,CURRENT-1]}; do\n"
               "    case $word in "
            << joined(names_of(commands), "|")
            << ") command=$word; break ;; esac\n"
               "  done\n"
               "  local -a flags\n"
               "  case $command in\n"
               "    \"\") compadd -- "
            << joined(names_of(commands)) << "; flags=(" << joined(flags_of(app)) << ") ;;\n";
  for (const auto& [name, flags] : commands) std::cout << "    " << name << ") flags=(" << joined(flags) << ") ;;\n";
  std::cout << "  esac\n"
               "  if [[ $PREFIX == -* ]]; then compadd -a flags; elif [[ -n $command ]]; then _files; fi\n"
               "}\n"
               "if [[ ${funcstack[1]} == _dscompress ]]; then _dscompress; else\n"
               "  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }\n"
               "  compdef _dscompress dscompress\n"
               "fi\n";
}

int print_completion(const CLI::App& app, const std::string& shell) {
  if (shell == "fish") {
    print_fish(app);
    return 0;
  }
  if (shell == "zsh")
    print_zsh(app);
  else
    print_bash(app);
  return 0;
}

}  // namespace

void add_completion_command(CLI::App& app, Session& session) {
  auto shell = std::make_shared<std::string>();
  auto* command = app.add_subcommand("completion", "Print a completion script for bash, zsh or fish");
  command->add_option("SHELL", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}))->type_name("");
  command->footer("Examples:\n  source <(dscompress completion bash)\n  dscompress completion fish >~/.config/fish/completions/dscompress.fish");
  command->callback([&app, &session, shell] { session.run = [&app, shell] { return print_completion(app, *shell); }; });
}

}  // namespace dsc
