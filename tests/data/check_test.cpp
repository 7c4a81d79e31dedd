#include <gtest/gtest.h>

#include "data/open.h"

namespace dsc {
namespace {

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
  EXPECT_EQ(only(model_of({type_of(ScalarType::f32, {Dim{4}, Dim{1}, Dim{28}, Dim{28}})}, 10)),
            "the model's input `x0` has a fixed batch of 4");
  EXPECT_EQ(only(model_of({type_of(ScalarType::f32, {kBatch, Dim{1}, Dim{28}, Dim{28}})}, 5)),
            "digits test has labels up to 9, the model's output `logits` has 5 classes");
  const TensorType ids = type_of(ScalarType::i64, {kBatch, Dim{8}});
  EXPECT_EQ(only(model_of({ids, ids}, 10)), "digits test gives 1 inputs, the model takes 2 (x0, x1)");
}

TEST(CheckAgainstModel, NoticesColumnsInAnotherOrder) {
  const TensorType ids = type_of(ScalarType::i64, {kBatch, Dim{8}}), row = type_of(ScalarType::i64, {Dim{8}});
  EXPECT_TRUE(check_against_model(Described({row, row}, {}, {"x0", "x1"}), model_of({ids, ids}, 2)).empty());
  EXPECT_TRUE(check_against_model(Described({row, row}, {}, {"a", "b"}), model_of({ids, ids}, 2)).empty());
  EXPECT_EQ(check_against_model(Described({row, row}, {}, {"x1", "x0"}), model_of({ids, ids}, 2)).size(), 1u);
}

}  // namespace
}  // namespace dsc
