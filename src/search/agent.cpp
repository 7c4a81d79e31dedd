#include "search/agent.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "search/normal.h"
#include "train/optimizer.h"

namespace dsc::search {
namespace {

constexpr std::int64_t kHidden = 300, kBatch = 64;
constexpr double kActorRate = 1e-4, kCriticRate = 1e-3;
constexpr double kSlowness = 0.01;        // of the copies that targets are made with
constexpr double kFirstDeviation = 0.5, kLastDeviation = 0.02;
constexpr double kAverageOfPast = 0.5;    // of rewards
constexpr std::size_t kRemembered = 100;  // episodes

// Features of all parts to [0, 1]; what does not differ says nothing.
std::vector<std::vector<double>> scaled_features(const std::vector<Part>& parts) {
  std::vector<std::vector<double>> scaled;
  for (const Part& part : parts) scaled.push_back(part.features);
  for (std::size_t f = 0; f < scaled.front().size(); ++f) {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const auto& row : scaled) {
      low = std::min(low, row[f]);
      high = std::max(high, row[f]);
    }
    for (auto& row : scaled) row[f] = high > low ? (row[f] - low) / (high - low) : 0;
  }
  return scaled;
}

at::Tensor column(const std::vector<float>& values) { return at::tensor(values).unsqueeze(1); }

at::Tensor rows(const std::vector<const std::vector<float>*>& states) {
  std::vector<float> values;
  for (const auto* state : states) values.insert(values.end(), state->begin(), state->end());
  return at::tensor(values).view({static_cast<std::int64_t>(states.size()), -1});
}

}  // namespace

// Three linear layers, and Adam for them.
class Network {
 public:
  Network(std::int64_t inputs, double rate, Random& random) : optimizer_(Adam{.lr = rate}, {"w1", "b1", "w2", "b2", "w3", "b3"}), rate_(rate) {
    for (const auto& [from, to] : {std::pair(inputs, kHidden), std::pair(kHidden, kHidden), std::pair(kHidden, std::int64_t{1})}) {
      add({to, from}, from, random);
      add({to}, from, random);
    }
  }

  at::Tensor run(const at::Tensor& x) const {
    const at::Tensor first = at::relu(at::linear(x, tensors_[0], tensors_[1]));
    return at::linear(at::relu(at::linear(first, tensors_[2], tensors_[3])), tensors_[4], tensors_[5]);
  }

  // Downhill from a loss that was made with this network, and others, which stay.
  void descend(const at::Tensor& loss) {
    loss.backward({}, /*retain_graph=*/false, /*create_graph=*/false, tensors_);
    optimizer_.step(tensors_, rate_);
  }

  void follow(const Network& other, double share) {
    c10::NoGradGuard no_grad;
    for (std::size_t i = 0; i < tensors_.size(); ++i) tensors_[i].mul_(1 - share).add_(other.tensors_[i], share);
  }

 private:
  void add(const std::vector<std::int64_t>& shape, std::int64_t fan_in, Random& random) {
    const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
    at::Tensor tensor = at::empty(shape, at::kFloat);
    float* values = tensor.data_ptr<float>();
    for (std::int64_t i = 0; i < tensor.numel(); ++i) values[i] = static_cast<float>(bound * (2 * random.uniform() - 1));
    tensors_.push_back(tensor.set_requires_grad(true));
  }

  std::vector<at::Tensor> tensors_;
  Optimizer optimizer_;
  double rate_;
};

Agent::Agent(const Space& space, std::vector<Plan> starts, std::int64_t episodes, std::uint64_t seed)
    : space_(space), starts_(std::move(starts)), warm_up_(std::max<std::int64_t>(1, episodes / 4)), deviation_(kFirstDeviation), random_(seed),
      features_(scaled_features(space.parts())), whole_(space.cost(Plan(space.size(), 0))) {
  const auto rest = static_cast<double>(std::max<std::int64_t>(1, episodes - warm_up_));
  decay_ = std::pow(kLastDeviation / kFirstDeviation, 1 / rest);
  const auto inputs = static_cast<std::int64_t>(state(Plan(space.size(), 0), 0).size());
  actor_ = std::make_unique<Network>(inputs, kActorRate, random_);
  critic_ = std::make_unique<Network>(inputs + 1, kCriticRate, random_);
  slow_actor_ = std::make_unique<Network>(inputs, kActorRate, random_);
  slow_critic_ = std::make_unique<Network>(inputs + 1, kCriticRate, random_);
  slow_actor_->follow(*actor_, 1);
  slow_critic_->follow(*critic_, 1);
}

Agent::~Agent() = default;

Agent::State Agent::state(const Plan& plan, std::size_t part) const {
  Plan so_far(space_.size(), 0), most = space_.plan_of(Shares(space_.size(), 1));
  std::copy_n(plan.begin(), part, so_far.begin());
  std::copy_n(plan.begin(), part, most.begin());
  const double now = space_.cost(so_far);
  State state(features_[part].begin(), features_[part].end());
  state.push_back(static_cast<float>(part) / static_cast<float>(space_.size()));
  state.push_back(static_cast<float>((whole_ - now) / whole_));
  state.push_back(static_cast<float>((now - space_.cost(most)) / whole_));
  state.push_back(part == 0 ? 0.0F : static_cast<float>(space_.shares_of(plan)[part - 1]));
  return state;
}

Plan Agent::propose() {
  const auto number = static_cast<std::size_t>(proposed_++);
  if (number < starts_.size()) return starts_[number];
  Plan plan(space_.size(), 0);
  for (std::size_t i = 0; i < space_.size(); ++i) {
    const auto most = space_.parts()[i].levels - 1;
    const auto wanted = std::llround(action(state(plan, i)) * static_cast<double>(most));
    plan[i] = std::clamp<std::int64_t>(wanted, space_.least_level(plan, i), most);
  }
  return space_.plan_of(space_.fit(space_.shares_of(plan)));  // what is left of the budget is given back evenly
}

double Agent::action(const State& state) {
  if (learned_ < warm_up_) return random_.uniform();
  c10::NoGradGuard no_grad;
  return explore(at::sigmoid(actor_->run(rows({&state}))).item<double>());
}

double Agent::explore(double mean) {
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    const double drawn = mean + deviation_ * normal(random_);
    if (drawn >= 0 && drawn <= 1) return drawn;
  }
  return mean;
}

void Agent::learn(const Plan& plan, double reward) {
  average_ = learned_ == 0 ? reward : kAverageOfPast * average_ + (1 - kAverageOfPast) * reward;
  remember(plan, reward);
  if (++learned_ <= warm_up_) return;
  for (std::size_t i = 0; i < space_.size(); ++i) update();
  deviation_ *= decay_;
}

void Agent::remember(const Plan& plan, double reward) {
  const Shares shares = space_.shares_of(plan);
  State before = state(plan, 0);
  for (std::size_t i = 0; i < space_.size(); ++i) {
    const bool is_last = i + 1 == space_.size();
    State after = is_last ? before : state(plan, i + 1);
    memory_.push_back({before, after, static_cast<float>(shares[i]), static_cast<float>(reward), is_last});
    before = std::move(after);
  }
  while (memory_.size() > kRemembered * space_.size()) memory_.pop_front();
}

void Agent::update() {
  c10::AutoGradMode with_gradients(true);
  std::vector<const State*> before, after;
  std::vector<float> actions, rewards, goes_on;
  for (std::int64_t i = 0; i < kBatch; ++i) {
    const Transition& transition = memory_[static_cast<std::size_t>(random_.below(static_cast<std::int64_t>(memory_.size())))];
    before.push_back(&transition.before);
    after.push_back(&transition.after);
    actions.push_back(transition.action);
    rewards.push_back(transition.reward - static_cast<float>(average_));
    goes_on.push_back(transition.is_last ? 0.0F : 1.0F);
  }
  const at::Tensor now = rows(before), next = rows(after);
  const at::Tensor next_value = slow_critic_->run(at::cat({next, at::sigmoid(slow_actor_->run(next))}, 1)).detach();
  const at::Tensor target = column(rewards) + column(goes_on) * next_value;
  critic_->descend(at::mse_loss(critic_->run(at::cat({now, column(actions)}, 1)), target));
  actor_->descend(-critic_->run(at::cat({now, at::sigmoid(actor_->run(now))}, 1)).mean());
  slow_actor_->follow(*actor_, kSlowness);
  slow_critic_->follow(*critic_, kSlowness);
}

}  // namespace dsc::search
