// Runs a chain of networks with early exits: examples that leave take no part in what follows.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dscompress/model.h"
#include "exec/engine.h"
#include "ops/exit_stages.h"

namespace dsc {

class ExitDecision;

// One network of the chain, and what runs it.
struct StageEngine {
  std::unique_ptr<Model> model;  // that the engine runs, where it does not keep it itself
  std::unique_ptr<Engine> engine;
};

class ExitChain : public Engine {
 public:
  // precondition: an engine for each stage of the plan.
  ExitChain(ExitChainPlan plan, std::vector<StageEngine> stages);

  // returns: one tensor, of each row the scores of the exit that it left at.
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override;
  std::string name() const override;
  std::vector<LayerReport> layers() const override;

  const ExitChainPlan& plan() const { return plan_; }
  // The stage that each row of the last run left behind, [rows] i64.
  const at::Tensor& taken() const { return taken_; }
  // How many rows have left at each stage so far.
  const std::vector<std::int64_t>& counts() const { return counts_; }
  // Everything leaves at this exit from now on, whatever its scores: for measuring.
  void leave_at(std::size_t stage) { forced_ = stage; }

 private:
  using Values = std::map<std::string, at::Tensor>;
  std::vector<at::Tensor> run_stage(std::size_t stage, const Values& values);
  at::Tensor leaving(std::size_t stage, const at::Tensor& scores, ExitDecision& decision) const;
  void hand_on(std::size_t stage, std::vector<at::Tensor> made, Values& values) const;
  void keep_rows(std::size_t stage, const at::Tensor& rows, Values& values) const;

  ExitChainPlan plan_;
  std::vector<StageEngine> stages_;
  std::vector<std::map<std::string, bool>> needed_;  // of each stage: what later ones take, and whether it has rows
  std::optional<std::size_t> forced_;
  at::Tensor taken_;
  std::vector<std::int64_t> counts_;
};

}  // namespace dsc
