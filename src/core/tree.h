// One tree for YAML and JSON: ordered maps, lists, and scalars with their text as written; every node knows its place.
//
// Scalars keep their text: what a scalar is (number, truth value, text) is decided where its expected type is known, so
// that `1.10` stays "1.10" for a text and `no` is never silently false.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/error.h"

namespace dsc {

// Where a text came from: a file, or an option of the command line.
struct TreeSource {
  std::string name;    // as in messages: "recipe.yaml", "--set seed=1"
  std::string folder;  // relative paths in it start here; empty: the current folder
};

struct TreeEntry;

struct Tree {
  enum class Kind : std::uint8_t {
    scalar,
    list,
    map,
    broken  // its problem was reported already; whoever meets it stays silent
  };
  Kind kind = Kind::scalar;
  std::string text;                // of a scalar, without quotes and escapes
  bool quoted = false;             // scalar in quotes or as a block: always text
  bool any_type = false;           // scalar from the environment or the command line: a number may serve as text
  std::string written;             // of a substituted value: what stands in the file, "${cut * 2}"
  std::vector<Tree> items;         // of a list
  std::vector<TreeEntry> entries;  // of a map
  std::shared_ptr<const TreeSource> source;
  int line = 0, column = 0;  // counted from 1; 0: unknown
  std::string pointer;       // JSON Pointer from the root

  Place place() const;
  const Tree* find(std::string_view key) const;  // of a map; null: no such key
  Tree* find(std::string_view key);
  Tree& add(std::string key, Tree value);  // appends to a map
};

struct TreeEntry {
  std::string key;
  int line = 0, column = 0;
  Tree value;
  Place key_place() const;
};

// Limits against files made to exhaust memory; far above any real recipe.
inline constexpr std::size_t kMaxTreeDepth = 64;
inline constexpr std::size_t kMaxTreeNodes = 100'000;

// What a scalar looks like.
enum class ScalarLook : std::uint8_t {
  null,     // empty, ~, null
  boolean,  // true, false
  integer,  // 12, -3
  number,   // 0.5, 1e3
  odd,      // a number in some readers only: 0x10, 017, 1_000, .inf
  text
};
ScalarLook look_of(const Tree& scalar);
bool is_null(const Tree& tree);
// "a list", "the number 0.5", "text `abc`", "nothing"; with its origin if substituted.
std::string describe_found(const Tree& tree);
// "`batch[1]`": the last named part of a pointer, for messages; "the file" for the root.
std::string label_of(const std::string& pointer);
// Adds key or index to a pointer, escaped as in RFC 6901.
std::string child_pointer(const std::string& pointer, std::string_view part);
// Sets the pointers of all nodes below.
void set_pointers(Tree& tree, const std::string& pointer = {});
std::size_t count_nodes(const Tree& tree);

// Makes trees for writing.
Tree text_tree(std::string text);
Tree plain_tree(std::string text);  // number, true, null
Tree number_tree(double value);     // errors: internal, when not finite
Tree list_tree(std::vector<Tree> items = {});
Tree map_tree(std::vector<std::pair<std::string, Tree>> entries = {});
std::string number_text(double value);  // the shortest text that reads back as the same number

// Text forms: the same tree gives the same bytes, and reading them gives the same tree.
std::string to_yaml(const Tree& tree);
std::string to_json(const Tree& tree, int indent = 2);

// Reads one YAML document, or a JSON text. Duplicate keys are added to `problems`, and the first value is kept.
// errors: recipe, for whatever makes the rest unreadable.
Tree read_yaml(std::string_view text, std::shared_ptr<const TreeSource> source, std::vector<Problem>& problems);
Tree read_json(std::string_view text, std::shared_ptr<const TreeSource> source, std::vector<Problem>& problems);
// JSON for names in .json, YAML for others. errors: recipe (no such file, syntax), io.
Tree read_tree_file(const std::string& path, std::vector<Problem>& problems);

}  // namespace dsc
