// The inner values of one network that losses read: found from its graph, by number or by module glob.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dscompress/error.h"
#include "dscompress/model.h"
#include "train/distill/options.h"

namespace dsc {

// A value, and the layer it belongs to.
struct Site {
  std::string layer;
  Value* value = nullptr;  // null: this attention does not show it
};

class Anatomy {
 public:
  // A copy made for a training: attention is spelled out in it when its scores or probabilities are asked for.
  explicit Anatomy(Model& model);

  // One for each layer, in execution order.
  std::vector<Site> sites(SiteKind kind);
  // What the first layer starts with; null: not found.
  Value* embedding() const { return embedding_; }
  // By number among the sites, or by a glob over modules: for hidden states any module's output, for attention that inside
  // it. none, with the reason in `problem`, when not exactly one fits.
  std::optional<Site> find(SiteKind kind, const std::string& selector, Problem& problem);
  // Whether attention was spelled out: types are rough.
  bool is_opened() const { return opened_; }

 private:
  struct AttentionSite {
    std::string place;
    Node* whole = nullptr;
    Value *query, *key, *value, *scores, *probabilities;
  };
  void open();
  std::optional<Site> find_module(const std::string& glob, Problem& problem) const;
  std::optional<Site> find_attention_in(SiteKind kind, const std::string& glob, Problem& problem);

  Model& model_;
  std::vector<Site> hidden_;
  std::vector<AttentionSite> attentions_;
  Value* embedding_ = nullptr;
  bool opened_ = false;
};

// "hidden states", "attention".
std::string describe(SiteKind kind);

}  // namespace dsc
