// What the step early_exit is told, and which blocks that means.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/error.h"
#include "dscompress/fields.h"
#include "ops/blocks.h"
#include "ops/exits.h"
#include "passes/dynamic/exit_heads.h"
#include "passes/dynamic/exit_study.h"
#include "train/distill/options.h"
#include "train/train.h"

namespace dsc::dynamic {

// Whether the network trains with its heads.
enum class Trunk : std::uint8_t { frozen, trained };
std::span<const std::string_view> enum_names(Trunk);

// When an example leaves, and how that is chosen.
struct ExitPolicy {
  ExitCriterion criterion = ExitCriterion::confidence;
  std::optional<double> threshold;
  ExitLimits limits;  // or none, and a threshold
  std::int64_t examples = 0;
  bool latency = false;
  // owner: what messages call the step.
  void fields(FieldVisitor& visit, std::string_view owner);
  // exits: besides the network's end.
  ExitRule rule(std::int64_t exits) const;
  // The option that needs data.valid: "/max_drop", "/max_cost"; empty: none.
  std::string chosen_by() const;
  // What is wrong with the threshold; none: nothing.
  std::optional<Problem> problem(std::int64_t exits) const;
};

struct ExitOptions {
  std::vector<std::string> blocks;
  std::vector<double> at;
  std::optional<std::int64_t> count;
  ExitPolicy policy;
  Trunk trunk = Trunk::frozen;
  HeadForm head = HeadForm::copied;
  std::string mask;
  Labels labels{.weight = {0.5}};
  Kd kd{.weight = {0.5}};
  TrainOptions train;

  void fields(FieldVisitor& visit);
};

// The numbers of the blocks behind which examples may leave; what is wrong with the options goes to `problems`.
std::set<std::size_t> choose_blocks(const std::vector<Block>& blocks, const ExitOptions& options, std::vector<Problem>& problems);

// Why the model cannot have these exits; empty: it can.
std::vector<Problem> check_exits(const Model& model, const ExitOptions& options);

}  // namespace dsc::dynamic
