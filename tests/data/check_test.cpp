#include <gtest/gtest.h>

#include "data/open.h"
#include "data/text_files.h"

namespace dsc {
namespace {

using test::batch_of;
using test::Folder;
using test::numbers;
using test::text_split;
using test::write_text;

class Described : public Dataset {
 public:
  Described(std::vector<TensorType> inputs, std::optional<std::int64_t> classes, std::vector<std::string> names = {}) {
    info_.input_names = std::move(names);
    info_.description = "digits test";
    info_.inputs = std::move(inputs);
    info_.classes = classes;
  }
  std::int64_t size() const override { return 1; }
  const DatasetInfo& info() const override { return info_; }
  Batch batch(std::span<const std::int64_t>, std::optional<std::uint64_t>) const override { return {}; }

 private:
  DatasetInfo info_;
};

TensorType type_of(ScalarType dtype, std::vector<Dim> sizes) { return TensorType{.dtype = dtype, .sizes = std::move(sizes)}; }

Model model_of(std::vector<TensorType> inputs, std::int64_t classes) {
  Model model;
  Value* last = nullptr;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::string name = "x" + std::to_string(i);
    last = model.graph.add_input(InputKind::user, name, name, inputs[i]);
  }
  Node* node = model.graph.insert(nullptr, "aten.flatten.using_ints", {{"self", last}},
                                  {{"logits", type_of(ScalarType::f32, {Dim{2, "s0"}, Dim{classes}})}});
  model.graph.add_output(OutputKind::user, node->output());
  return model;
}

const Dim kBatch{2, "s0"};

TEST(CheckAgainstModel, AcceptsAFixedBatch) {
  const Described digits({type_of(ScalarType::f32, {Dim{1}, Dim{28}, Dim{28}})}, 10);
  EXPECT_TRUE(check_against_model(digits, model_of({type_of(ScalarType::f32, {Dim{4}, Dim{1}, Dim{28}, Dim{28}})}, 10)).empty());
}

TEST(CheckAgainstModel, AcceptsWhatFits) {
  const Described digits({type_of(ScalarType::f32, {Dim{1}, Dim{28}, Dim{28}})}, 10);
  EXPECT_TRUE(check_against_model(digits, model_of({type_of(ScalarType::f32, {kBatch, Dim{1}, Dim{28}, Dim{28}})}, 10)).empty());
  EXPECT_TRUE(check_against_model(digits, model_of({type_of(ScalarType::f32, {kBatch, Dim{1}, Dim{32, "s1"}, Dim{32, "s2"}})}, 1000)).empty());
}

TEST(CheckAgainstModel, NamesEachMismatch) {
  const Described digits({type_of(ScalarType::f32, {Dim{1}, Dim{28}, Dim{28}})}, 10);
  const auto only = [&](const Model& model) {
    const std::vector<Problem> problems = check_against_model(digits, model);
    EXPECT_EQ(problems.size(), 1u);
    return problems.empty() ? std::string() : problems[0].message;
  };
  EXPECT_EQ(only(model_of({type_of(ScalarType::f32, {kBatch, Dim{3}, Dim{28}, Dim{28}})}, 10)),
            "digits test gives f32[N, 1, 28, 28] for input `x0`, the model takes f32[s0, 3, 28, 28]");
  EXPECT_EQ(only(model_of({type_of(ScalarType::i64, {kBatch, Dim{1}, Dim{28}, Dim{28}})}, 10)),
            "digits test gives f32[N, 1, 28, 28] for input `x0`, the model takes i64[s0, 1, 28, 28]");
  EXPECT_EQ(only(model_of({type_of(ScalarType::f32, {kBatch, Dim{1}, Dim{28}, Dim{28}})}, 5)),
            "digits test has labels up to 9, the model's output `logits` has 5 classes");
  const TensorType ids = type_of(ScalarType::i64, {kBatch, Dim{8}});
  EXPECT_EQ(only(model_of({ids, ids}, 10)), "digits test gives 1 inputs, the model takes 2 (x0, x1)");
}

TEST(BindInputs, TakesInputsByNameWhateverTheirOrder) {
  const TensorType ids = type_of(ScalarType::i64, {kBatch, Dim{8}}), row = type_of(ScalarType::i64, {Dim{8}});
  const auto bound = [&](const std::vector<std::string>& names, const Model& model) {
    return bind_inputs(std::make_unique<Described>(std::vector<TensorType>(names.size(), row), std::nullopt, names), model);
  };
  const Model two = model_of({ids, ids}, 2);
  const auto names_of = [&](const std::vector<std::string>& names) { return bound(names, two)->info().input_names; };
  const std::vector<std::string> wanted{"x0", "x1"};
  EXPECT_EQ(names_of({"x0", "x1"}), wanted);
  EXPECT_EQ(names_of({"x1", "x0"}), wanted);
  EXPECT_EQ(names_of({"other", "x1", "x0"}), wanted);
  EXPECT_EQ(names_of({"a", "b"}), (std::vector<std::string>{"a", "b"}));  // nothing to go by: check_against_model says so
  EXPECT_EQ(check_against_model(*bound({"a", "b"}, two), two).size(), 2U);
  const auto reordered = bound({"other", "x1", "x0"}, two);
  EXPECT_TRUE(check_against_model(*reordered, two).empty());
  ASSERT_EQ(reordered->info().other_names.size(), 1U);
  EXPECT_EQ(reordered->info().other_names[0], "other");
}

TEST(BindInputs, ChoosesTheTensorsOfABatch) {
  const Folder folder;
  auto split = text_split(DataFormat::text, write_text(folder / "a.tsv", "text\nwitty\n"));
  const TensorType ids = type_of(ScalarType::i64, {kBatch, Dim{8, "s1"}});
  Model model;
  for (const auto* name : {"token_type_ids", "input_ids"}) model.graph.add_input(InputKind::user, name, name, ids);
  const auto whole = open_dataset(split, std::nullopt);
  const auto bound = bind_inputs(open_dataset(split, std::nullopt), model);
  EXPECT_TRUE(check_against_model(*bound, model).empty());
  const auto batch = batch_of(*bound, {0}), all = batch_of(*whole, {0});
  ASSERT_EQ(batch.inputs.size(), 2U);
  EXPECT_EQ(numbers(batch.inputs[0]), numbers(all.inputs[2]));
  EXPECT_EQ(numbers(batch.inputs[1]), numbers(all.inputs[0]));
}

// A model of token ids with a table of 64 rows and at most 12 positions.
Model language_model(std::vector<std::string> inputs, Dim length) {
  Model model;
  const TensorType ids = type_of(ScalarType::i64, {kBatch, length});
  Value* weight = model.graph.add_input(InputKind::parameter, "w", "w", type_of(ScalarType::f32, {Dim{64}, Dim{4}}));
  Value* first = nullptr;
  for (const auto& name : inputs) {
    Value* input = model.graph.add_input(InputKind::user, name, name, ids);
    first = first ? first : input;
  }
  model.graph.insert(nullptr, "aten.embedding.default", {{"weight", weight}, {"indices", first}}, {{"x", type_of(ScalarType::f32, {kBatch, length, Dim{4}})}});
  model.archive.json["range_constraints"] = R"({"s1": {"min_val": 2, "max_val": 12}})";
  return model;
}

TEST(CheckAgainstModel, LooksAtTokensBeforeTheyAreUsed) {
  const Folder folder;
  const auto path = write_text(folder / "a.tsv", "text\na gorgeous , witty , seductive movie with boilerplate\n");
  const auto problems = [&](const Model& model, std::vector<std::string> inputs = {}) {
    auto split = text_split(DataFormat::text, path);
    split.inputs = std::move(inputs);
    std::string text;
    for (const auto& problem : check_against_model(*bind_inputs(open_dataset(split, std::nullopt), model), model)) text += problem.message + "; " + problem.hint + "\n";
    return text;
  };
  const std::string open = problems(language_model({"input_ids"}, Dim{8, "s1"}));
  EXPECT_NE(open.find("takes 12 at most; set max_length: 12"), std::string::npos) << open;
  EXPECT_NE(open.find("has a vocabulary of 100, the model's embedding of `input_ids` has 64 rows"), std::string::npos) << open;
  EXPECT_NE(problems(language_model({"input_ids"}, Dim{8})).find("padding: max_length"), std::string::npos);
  const std::string named = problems(language_model({"tokens", "mask"}, Dim{64, "s2"}));
  EXPECT_NE(named.find("gives input_ids, attention_mask, token_type_ids, the model takes tokens, mask"), std::string::npos) << named;
  EXPECT_EQ(problems(language_model({"tokens", "mask"}, Dim{64, "s2"}), {"attention_mask", "input_ids"}), "");
}

}  // namespace
}  // namespace dsc
