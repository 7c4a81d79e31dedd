// Parses the text form of a graph; ir/text.h describes it.
#include <unordered_set>

#include "core/names.h"
#include "dscompress/error.h"
#include "ir/text.h"
#include "ir/text_cursor.h"
#include "ir/text_values.h"
#include "ir/text_words.h"

namespace dsc {
namespace {

class Parser {
 public:
  Parser(std::string_view text, const std::string& file) : cursor_(text, file) {}

  Graph parse() {
    if (cursor_.at_end()) cursor_.fail_expected("`graph {`");
    if (!cursor_.next_is_word("graph")) cursor_.fail_expected("`graph {`");
    cursor_.word("graph");
    cursor_.expect("{");
    cursor_.end_line();
    while (true) {
      if (cursor_.at_end()) cursor_.fail_expected("a node, an output or `}`");
      if (cursor_.skip("}")) break;
      parse_statement();
      cursor_.end_line();
    }
    if (!cursor_.at_end()) cursor_.fail_expected("the end of the text");
    return std::move(graph_);
  }

 private:
  void parse_statement() {
    const char next = cursor_.peek();
    if (next == '%' || next == '[' || cursor_.next_is_word("_")) return parse_node();
    const std::size_t begin = cursor_.position();
    const std::string_view word = cursor_.word("a region, an input, a node, an output or `}`");
    if (word == "region") return parse_region();
    if (const InputKind* kind = text::find_word(text::kInputs, word)) return parse_input(*kind);
    if (const OutputKind* kind = text::find_word(text::kOutputs, word)) return parse_output(*kind);
    cursor_.fail(begin, "`" + std::string(word) + "` starts no line of a graph",
                 suggest(word, {"region", "param", "buffer", "constant", "input", "literal", "output", "loss",
                                "mutate_buffer", "mutate_parameter", "mutate_input"}));
  }

  const Region* parse_region_name() {
    cursor_.peek();
    const std::size_t begin = cursor_.position();
    const std::string_view name = cursor_.word("a region such as r0");
    for (std::size_t i = 0; i < regions_.size(); ++i) {
      if (name == "r" + std::to_string(i)) return regions_[i];
    }
    cursor_.fail(begin, "there is no region `" + std::string(name) + "` above",
                 "regions are called r0, r1, ... in the order of their lines");
  }

  void parse_region() {
    cursor_.peek();
    const std::size_t begin = cursor_.position();
    const std::string_view word = cursor_.word("autocast or set_grad");
    const Region::Kind* kind = text::find_word(text::kRegions, word);
    if (!kind) cursor_.fail(begin, "`" + std::string(word) + "` is no kind of region", "known: autocast, set_grad");
    Region region{.kind = *kind};
    cursor_.expect("(");
    while (!cursor_.skip(")")) {
      if (!region.arguments.empty()) cursor_.expect(",");
      region.arguments.push_back(parse_literal("a region's argument"));
    }
    region.name = cursor_.string("the region's name in quotes");
    if (cursor_.skip_word("in")) region.parent = parse_region_name();
    regions_.push_back(graph_.add_region(std::move(region)));
  }

  Argument parse_literal(std::string_view what) {
    cursor_.peek();
    const std::size_t begin = cursor_.position();
    Argument argument = values_.parse_argument();
    if (!values_of(argument).empty()) cursor_.fail(begin, std::string(what) + " is a literal, found a value");
    return argument;
  }

  // The name of a value that is defined here.
  std::string parse_new_name() {
    cursor_.peek();
    const std::size_t begin = cursor_.position();
    cursor_.expect("%");
    std::string name = cursor_.word_or_string("a value's name");
    if (name.empty()) cursor_.fail(begin, "a value's name is empty");
    if (!names_.insert(name).second) cursor_.fail(begin, "%" + name + " is defined twice", "give it another name");
    return name;
  }

  void parse_input(InputKind kind) {
    if (kind == InputKind::literal) {
      std::string name = cursor_.string("the argument's name in quotes");
      cursor_.expect("=");
      return graph_.add_literal_input(std::move(name), parse_literal("a literal input"));
    }
    const std::string name = parse_new_name();
    std::string target = cursor_.peek() == '"' ? cursor_.string("a target") : name;
    cursor_.expect(":");
    Type type = values_.parse_type();
    const bool persistent = !cursor_.skip_word("non_persistent");
    graph_.add_input(kind, name, std::move(target), std::move(type), persistent);
  }

  void parse_output(OutputKind kind) {
    std::string target;
    if (cursor_.peek() == '"') {
      // A quoted target, or a text that is the output itself.
      std::string text = cursor_.string("a target");
      if (!cursor_.skip("=")) return graph_.add_output(kind, std::move(text));
      target = std::move(text);
    }
    graph_.add_output(kind, values_.parse_argument(), std::move(target));
  }

  struct Outputs {
    std::vector<OutputSpec> specs;
    std::vector<int> structure;
  };

  void parse_output_spec(Outputs& outputs) {
    std::string name = parse_new_name();
    cursor_.expect(":");
    outputs.specs.push_back({std::move(name), values_.parse_type()});
  }

  Outputs parse_outputs() {
    Outputs outputs;
    if (cursor_.skip_word("_")) return outputs;
    do {
      if (!cursor_.skip("[")) {
        parse_output_spec(outputs);
        outputs.structure.push_back(-1);
        continue;
      }
      int size = 0;
      while (!cursor_.skip("]")) {
        if (size > 0) cursor_.expect(",");
        parse_output_spec(outputs);
        ++size;
      }
      outputs.structure.push_back(size);
    } while (cursor_.skip(","));
    return outputs;
  }

  void parse_node() {
    cursor_.peek();
    const std::size_t begin = cursor_.position();
    Outputs outputs = parse_outputs();
    cursor_.expect("=");
    std::string target = cursor_.word_or_string("an operator such as aten.conv2d.default");
    cursor_.expect("(");
    std::vector<NamedArgument> arguments;
    while (!cursor_.skip(")")) {
      if (!arguments.empty()) cursor_.expect(",");
      arguments.push_back(values_.parse_named_argument());
    }
    std::string path;
    if (cursor_.skip("@")) path = cursor_.word_or_string("a module path");
    const Region* region = cursor_.skip_word("in") ? parse_region_name() : nullptr;
    std::string name = outputs.specs.empty() ? "" : outputs.specs.front().name;
    if (cursor_.skip_word("name")) name = cursor_.string("the node's name in quotes");
    if (name.empty()) cursor_.fail(begin, "a node without output needs a name", "add: name \"...\"");
    if (graph_.find_node(name)) cursor_.fail(begin, "two nodes are called `" + name + "`", "add: name \"...\"");
    auto metadata = parse_metadata();
    // A path that was written by hand: the stack that torch.export would have written for it.
    if (!path.empty()) metadata.emplace("nn_module_stack", "@," + path + ",");
    Node* node = graph_.insert(nullptr, std::move(target), std::move(arguments), std::move(outputs.specs),
                               std::move(outputs.structure), name);
    if (!metadata.empty()) graph_.set_metadata(node, std::move(metadata));
    graph_.set_region(node, region);
  }

  std::map<std::string, std::string> parse_metadata() {
    std::map<std::string, std::string> metadata;
    if (!cursor_.skip("{")) return metadata;
    while (!cursor_.skip("}")) {
      if (!metadata.empty()) cursor_.expect(",");
      std::string key = cursor_.string("a metadata key in quotes");
      cursor_.expect(":");
      if (!metadata.emplace(std::move(key), cursor_.string("a metadata text in quotes")).second) {
        cursor_.fail_expected("each metadata key once");
      }
    }
    return metadata;
  }

  text::Cursor cursor_;
  Graph graph_;
  text::ValueParser values_{cursor_, graph_};
  std::vector<const Region*> regions_;
  std::unordered_set<std::string> names_;
};

}  // namespace

Graph parse_graph(std::string_view text, const std::string& file) { return Parser(text, file).parse(); }

}  // namespace dsc
