// Where a training step's time goes: forward and backward, node by node.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "dscompress/graph.h"

namespace at {
struct RecordFunction;
struct ObserverContext;
}  // namespace at

namespace dsc {

struct LayerTime {
  std::string module;                      // path of the module that the node stands in; empty: the root, or no node's
  std::string operation;                   // "aten.conv2d.default"; of several nodes that run as one the name of one; or "(loss)", "(optimizer)"
  double forward_ms = 0, backward_ms = 0;  // a step, mean
};

// Autograd numbers its functions as it makes them, thread by thread: a node's are those made while it ran, and the engine names each
// function's number when it runs it. On the CPU, where calls return when their work is done and backward runs on the caller's thread.
class StepProfile {
 public:
  // Around the forward of a node, and of what is none (`node` null, `operation` names it).
  void begin();
  void end(const Node* node, const std::string& operation = {});
  // Books what autograd runs while it lives. Gradients added to the parameters' are "(gradients)".
  class Backward {
   public:
    explicit Backward(StepProfile& profile);
    ~Backward();
    Backward(const Backward&) = delete;
    Backward& operator=(const Backward&) = delete;

   private:
    std::uint64_t callback_;
  };
  void end_step() { ++steps_, spans_.clear(); }

  // In order of their first run. Several nodes of one module and operator stay apart.
  std::vector<LayerTime> layers() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Span {
    std::uint64_t first, end;  // of autograd's numbers
    std::size_t entry;
  };

  static std::unique_ptr<at::ObserverContext> function_starts(const at::RecordFunction& function);
  static void function_ends(const at::RecordFunction& function, at::ObserverContext* context);
  std::size_t entry_of(const Node* node, const std::string& operation);
  void book(std::uint64_t number, double ms);

  Clock::time_point start_;
  std::uint64_t first_number_ = 0;
  std::int64_t steps_ = 0;
  std::vector<Span> spans_;         // of this step, ascending
  std::vector<LayerTime> entries_;  // sums over steps
  std::unordered_map<const Node*, std::size_t> by_node_;
  std::unordered_map<std::string, std::size_t> by_operation_;
};

}  // namespace dsc
