#include "core/compose.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "core/expression.h"
#include "core/file.h"
#include "core/names.h"

namespace dsc {
namespace {

void require_map(const Tree& tree, const std::string& what) {
  if (tree.kind == Tree::Kind::map) return;
  const bool no_space = tree.kind == Tree::Kind::scalar && tree.text.find(':') != std::string::npos;
  throw Error(ErrorCode::recipe, what + " must be a mapping (`key: value`), found " + describe_found(tree), tree.place(),
              is_null(tree) ? "`dscompress init` writes a first recipe"
              : no_space    ? "a space is missing after a colon"
                            : "");
}

// Lays `over` over `base`: mappings key by key, everything else replaced.
void merge(Tree& base, Tree over) {
  if (base.kind != Tree::Kind::map || over.kind != Tree::Kind::map) {
    base = std::move(over);
    return;
  }
  for (auto& entry : over.entries) {
    const auto same = std::find_if(base.entries.begin(), base.entries.end(), [&](const auto& e) { return e.key == entry.key; });
    if (same == base.entries.end()) {
      base.entries.push_back(std::move(entry));
    } else {
      same->line = entry.line;
      same->column = entry.column;
      merge(same->value, std::move(entry.value));
    }
  }
}

// Takes a key out of a map; none when it is absent.
std::optional<TreeEntry> take(Tree& map, std::string_view key) {
  const auto found = std::find_if(map.entries.begin(), map.entries.end(), [&](const auto& entry) { return entry.key == key; });
  if (found == map.entries.end()) return {};
  auto entry = std::move(*found);
  map.entries.erase(found);
  return entry;
}

class Composer {
 public:
  Composer(Composition& result, std::vector<Problem>& problems) : result_(result), problems_(problems) {}

  // The file with all that it includes.
  Tree load(const std::string& path) {
    const auto whole = absolute_path(path);
    const auto canonical = std::filesystem::weakly_canonical(whole).string();
    const bool cycle = std::find(active_.begin(), active_.end(), canonical) != active_.end();
    if (cycle) {
      const std::string way = active_.size() > 1 ? " through others" : "";
      throw Error(ErrorCode::recipe, "the file includes itself" + way, {.file = path}, "remove one `include`");
    }
    if (std::find(result_.files.begin(), result_.files.end(), whole) == result_.files.end()) result_.files.push_back(whole);
    auto tree = read_tree_file(path, problems_);
    require_map(tree, "a recipe");
    auto include = take(tree, "include");
    if (!include) return tree;
    active_.push_back(canonical);
    auto base = map_tree();
    base.source = tree.source;
    base.line = tree.line;
    base.column = tree.column;
    for (const auto& name : included_files(include->value)) merge(base, load_included(name));
    active_.pop_back();
    merge(base, std::move(tree));
    return base;
  }

 private:
  std::vector<Tree> included_files(Tree& include) {
    check_variables(include);
    std::vector<std::string> used;
    const Tree no_variables = map_tree();
    substitute(include, no_variables, used, problems_);
    auto files = include.kind == Tree::Kind::list ? include.items : std::vector<Tree>{include};
    std::erase_if(files, [](const Tree& file) { return file.kind == Tree::Kind::broken; });
    for (const auto& file : files) {
      const bool text = file.kind == Tree::Kind::scalar && look_of(file) == ScalarLook::text && !file.text.empty();
      if (!text) throw Error(ErrorCode::recipe, "`include`: expected a file or a list of files, found " + describe_found(file), file.place());
    }
    return files;
  }

  // Files are read before their variables are known.
  static void check_variables(const Tree& tree) {
    for (const auto& item : tree.items) check_variables(item);
    const auto at = tree.text.find("${");
    if (at == std::string::npos || tree.text.substr(at).starts_with("${env:")) return;
    throw Error(ErrorCode::recipe, "`include` cannot use variables: they may come from the included file", tree.place(),
                "name the file, or use ${env:NAME}");
  }

  Tree load_included(const Tree& name) {
    try {
      return load(shown_path(name));
    } catch (Error& error) {
      // Only the file's own name is known to a reader of the message that this include could not be followed.
      if (error.problems().front().place.line == 0) {
        throw Error(ErrorCode::recipe, "`include`: " + error.problems().front().place.file + ": " + error.problems().front().message, name.place(),
                    error.problems().front().hint);
      }
      throw;
    }
  }

  // Relative to the including file, and as short as that file was named.
  static std::string shown_path(const Tree& name) {
    const auto folder = std::filesystem::path(name.source->name).parent_path();
    return (folder / name.text).lexically_normal().string();
  }

  Composition& result_;
  std::vector<Problem>& problems_;
  std::vector<std::string> active_;
};

Tree take_vars(Tree& root, std::vector<Problem>& problems) {
  auto entry = take(root, "vars");
  if (!entry) return map_tree();
  if (is_null(entry->value)) return map_tree();
  if (entry->value.kind != Tree::Kind::map) {
    problems.push_back({"`vars` must be a mapping (`name: value`), found " + describe_found(entry->value), entry->value.place(), ""});
    return map_tree();
  }
  for (const auto& variable : entry->value.entries) {
    if (is_variable_name(variable.key) && variable.key.find('.') == std::string::npos) continue;
    problems.push_back({"`" + variable.key + "` cannot be the name of a variable", variable.key_place(), "use letters, digits and _"});
  }
  return std::move(entry->value);
}

void add_vars_file(Tree& root, const std::string& path, Composition& result, std::vector<Problem>& problems) {
  auto file = read_tree_file(path, problems);
  require_map(file, "a variables file");
  result.files.push_back(absolute_path(path));
  for (const auto& entry : file.entries) {
    auto value = to_json(entry.value, -1);
    result.overrides.push_back({"vars." + entry.key, std::move(value), "--vars-file " + path});
  }
  auto* vars = root.find("vars");
  if (!vars || vars->kind != Tree::Kind::map) vars = vars ? &(*vars = map_tree()) : &root.add("vars", map_tree());
  merge(*vars, std::move(file));
}

}  // namespace

Composition compose(const ComposeInput& input, std::vector<Problem>& problems) {
  Composition result;
  result.tree = Composer(result, problems).load(input.path);
  for (const auto& file : input.vars_files) add_vars_file(result.tree, file, result, problems);
  set_pointers(result.tree);
  for (const auto& override : input.overrides) {
    try {
      apply_override(result.tree, override, problems);
    } catch (const Error& error) {  // collected with the others
      problems.insert(problems.end(), error.problems().begin(), error.problems().end());
    }
    result.overrides.push_back(override);
  }
  set_pointers(result.tree);
  const auto vars = take_vars(result.tree, problems);
  std::vector<std::string> used;
  substitute(result.tree, vars, used, problems);
  for (const auto& variable : vars.entries) {
    if (std::find(used.begin(), used.end(), variable.key) == used.end()) {
      result.notes.push_back("the variable `" + variable.key + "` (" + variable.key_place().to_string() + ") is not used");
    }
  }
  return result;
}

}  // namespace dsc
