#include "search/options.h"

#include <array>
#include <string>

#include "search/agent.h"
#include "search/evolution.h"

namespace dsc::search {

void Options::fields(FieldVisitor& visit, const Wording& wording) {
  const auto text = [](auto... parts) { return (std::string(parts) + ...); };
  const std::array<std::string_view, 2> names{"evolution", wording.agent};
  visit.field("method",
              {.text = text("evolution: ", wording.levels, " are crossed and mutated; ", wording.agent, ": an agent (DDPG) goes through the ",
                            wording.parts, " and learns from rewards.")},
              [&](ValueVisitor& value) {
                auto index = static_cast<std::size_t>(method);
                value.choice(names, index);
                method = static_cast<Method>(index);
              });
  visit("episodes", episodes, {.text = std::string(wording.episodes), .minimum = 1, .maximum = 100000});
  visit("evaluate", evaluate, {.text = "Examples of the valid split to evaluate each on; 0: all.", .minimum = 0});
}

std::unique_ptr<Proposer> make_proposer(const Space& space, std::vector<Plan> starts, const Options& options, std::uint64_t seed) {
  switch (options.method) {
    case Method::evolution:
      return std::make_unique<Evolution>(space, std::move(starts), options.episodes, seed);
    case Method::agent:
      return std::make_unique<Agent>(space, std::move(starts), options.episodes, seed);
  }
  return nullptr;
}

}  // namespace dsc::search
