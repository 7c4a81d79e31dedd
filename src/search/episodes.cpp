#include "search/episodes.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/metric_facts.h"
#include "core/printed.h"

namespace dsc::search {
namespace {

constexpr std::int64_t kSaveEvery = 5;  // episodes

double reward_of(const std::string& metric, double value) {
  if (!std::isfinite(value)) throw Error(ErrorCode::numeric, metric + " of a tried model is not a finite number", {}, "raise recalibrate_batches, or limit what a part may lose");
  return metric_facts(metric).smaller_is_better ? -value : value;
}

// What an interrupted search had done. errors: data.
void replay(const Record& saved, const std::string& metric, Proposer& proposer) {
  bool same = saved.metric == metric;
  for (std::size_t i = 0; same && i < saved.episodes.size(); ++i) {
    const Episode& episode = saved.episodes[i];
    same = proposer.propose() == episode.plan;
    if (same) proposer.learn(episode.plan, reward_of(metric, episode.value));
  }
  if (!same) throw Error(ErrorCode::data, "the interrupted search proposed other plans than this one", {}, "start the run again in another folder");
}

}  // namespace

const Episode& Record::best() const {
  return *std::ranges::max_element(episodes, {}, [&](const Episode& episode) { return reward_of(metric, episode.value); });
}

std::string to_text(const Record& record) {
  nlohmann::ordered_json json{{"metric", record.metric}, {"starts", record.starts}, {"episodes", nlohmann::ordered_json::array()}};
  for (const Episode& episode : record.episodes) json["episodes"].push_back({episode.value, episode.plan});
  return json.dump();
}

Record parse_record(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  Record record{.metric = json.at("metric"), .episodes = {}, .starts = json.at("starts")};
  for (const auto& episode : json.at("episodes")) record.episodes.push_back({.plan = episode.at(1).get<Plan>(), .value = episode.at(0)});
  return record;
}

Record run_episodes(Proposer& proposer, const std::string& metric, std::int64_t episodes, const std::function<double(const Plan&)>& measure, Model& model,
                    PassContext& context) {
  Record record{.metric = metric, .episodes = {}, .starts = proposer.starts()};
  if (const auto saved = context.restore(model)) {
    record = parse_record(saved->text);
    replay(record, metric, proposer);
  }
  for (auto done = static_cast<std::int64_t>(record.episodes.size()); done < episodes; ++done) {
    context.check_cancelled();
    context.progress("search", done, episodes);
    const Plan plan = proposer.propose();
    const double value = measure(plan);
    proposer.learn(plan, reward_of(metric, value));
    record.episodes.push_back({plan, value});
    const auto number = static_cast<double>(done + 1);
    context.curve({"search_" + metric, number, value});
    context.curve({"search_best_" + metric, number, record.best().value});
    if ((done + 1) % kSaveEvery != 0 || done + 1 == episodes) continue;
    SavedState state;
    state.position = done + 1;
    state.text = to_text(record);
    context.save(model, state);
  }
  context.progress("search", episodes, episodes);
  return record;
}

std::string note_of(const Record& record) {
  const Episode& best = record.best();
  const auto number = &best - record.episodes.data() + 1;
  std::string text = "search: " + record.metric + printed(" %.4f in episode %td of %zu; the plans it began with:", best.value, number, record.episodes.size());
  for (std::size_t i = 0; i < std::min(static_cast<std::size_t>(record.starts), record.episodes.size()); ++i) text += printed(i == 0 ? " %.4f" : ", %.4f", record.episodes[i].value);
  return text;
}

}  // namespace dsc::search
