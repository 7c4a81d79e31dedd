// What a recipe says about a search: how plans are proposed, and how many are tried.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "dscompress/fields.h"
#include "search/episodes.h"
#include "search/space.h"

namespace dsc::search {

enum class Method : std::uint8_t { evolution, agent };

// How the pass that searches calls what is searched.
struct Wording {
  std::string_view agent;     // name of the agent in recipes: that of the paper it follows there
  std::string_view levels;    // "widths"
  std::string_view parts;     // "layers"
  std::string_view episodes;  // documentation of `episodes`
};

struct Options {
  Method method = Method::evolution;
  std::int64_t episodes = 100;
  std::int64_t evaluate = 1000;  // examples of the valid split; 0: all
  void fields(FieldVisitor& visit, const Wording& wording);
};

// starts: plans within the budget, proposed first. The space must live as long.
std::unique_ptr<Proposer> make_proposer(const Space& space, std::vector<Plan> starts, const Options& options, std::uint64_t seed);

}  // namespace dsc::search
