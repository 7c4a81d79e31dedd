#include "train/distill/layer_terms.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include <algorithm>
#include <cmath>

#include "core/random.h"
#include "ir/describe.h"

namespace dsc {
namespace {

using SitePairs = std::vector<std::pair<Site, Site>>;

SitePairs embedding_pair(const Anatomy& student, const Anatomy& teacher, const std::string& pointer, std::vector<Problem>& problems) {
  if (student.embedding() && teacher.embedding()) return {{{"embedding", student.embedding()}, {"embedding", teacher.embedding()}}};
  const std::string whose = student.embedding() ? "teacher" : "student";
  problems.push_back({"no embedding was found in the " + whose + ": it has no layer with a residual stream", {.pointer = pointer}, "remove this loss"});
  return {};
}

SitePairs mapped_pairs(const LossConfig& loss, Anatomy& student, Anatomy& teacher, const std::string& pointer, std::vector<Problem>& problems) {
  const SiteKind kind = site_of(loss);
  const auto ours = student.sites(kind), theirs = teacher.sites(kind);
  for (const auto& [whose, sites] : {std::pair{"student", &ours}, std::pair{"teacher", &theirs}}) {
    if (!sites->empty()) continue;
    problems.push_back({std::string("no ") + describe(kind) + " found in the " + whose, {.pointer = pointer},
                        kind == SiteKind::hidden ? "name modules under `layers`, or remove this loss" : "remove this loss: it needs a network with attention"});
    return {};
  }
  if (ours.size() > theirs.size()) {
    problems.push_back({"the student has " + std::to_string(ours.size()) + " layers with " + describe(kind) + ", more than the teacher's " + std::to_string(theirs.size()),
                        {.pointer = pointer}, "name pairs under `layers`"});
    return {};
  }
  SitePairs pairs;
  for (const auto& [i, j] : map_layers(layer_map_of(loss)->mapping, ours.size(), theirs.size())) pairs.emplace_back(ours[i], theirs[j]);
  return pairs;
}

SitePairs named_pairs(const LossConfig& loss, Anatomy& student, Anatomy& teacher, const std::string& pointer, std::vector<Problem>& problems) {
  SitePairs pairs;
  for (const auto& [ours, theirs] : layer_map_of(loss)->layers) {
    Problem student_problem, teacher_problem;
    const auto a = student.find(site_of(loss), ours, student_problem);
    const auto b = teacher.find(site_of(loss), theirs, teacher_problem);
    if (a && b) pairs.emplace_back(*a, *b);
    for (auto& [whose, found, problem] : {std::tuple{"student", a.has_value(), student_problem}, std::tuple{"teacher", b.has_value(), teacher_problem}}) {
      if (!found) problems.push_back({std::string("in the ") + whose + ": " + problem.message, {.pointer = pointer + "/layers/" + ours}, problem.hint});
    }
  }
  return pairs;
}

SitePairs find_pairs(const LossConfig& loss, Anatomy& student, Anatomy& teacher, const std::string& pointer, std::vector<Problem>& problems) {
  const LayerMap* map = layer_map_of(loss);
  if (!map) return embedding_pair(student, teacher, pointer, problems);
  return map->layers.empty() ? mapped_pairs(loss, student, teacher, pointer, problems) : named_pairs(loss, student, teacher, pointer, problems);
}

// The uniform distribution of a linear layer without bias, from our own generator.
at::Tensor make_projection(std::int64_t to, std::int64_t from, std::uint64_t seed, const at::Device& device) {
  auto weight = at::empty({to, from}, at::kFloat);
  Random random(seed);
  const double bound = 1 / std::sqrt(static_cast<double>(from));
  for (std::int64_t i = 0; i < weight.numel(); ++i) weight.data_ptr<float>()[i] = static_cast<float>((2 * random.uniform() - 1) * bound);
  return weight.to(device).set_requires_grad(true);
}

// What to do where the loss cannot compare these; empty: it can.
std::string remedy_of(const LossConfig& loss, const at::Tensor& student, const at::Tensor& teacher) {
  return std::visit(
      [&](const auto& config) -> std::string {
        if constexpr (requires { config.remedy(student, teacher); })
          return config.remedy(student, teacher);
        else
          return "";
      },
      loss);
}

bool may_project(const LossConfig& loss) {
  return std::visit([]<class Loss>(const Loss&) { return requires { requires Loss::kProjects; }; }, loss);
}

bool ignores_mask(const LossConfig& loss) {
  return std::visit([]<class Loss>(const Loss&) { return requires { requires Loss::kIgnoresMask; }; }, loss);
}

at::Tensor compare(const LossConfig& loss, const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& mask) {
  return std::visit(
      [&]<class Loss>(const Loss& config) -> at::Tensor {
        if constexpr (ComparesValues<Loss>)
          return config.compare(student, teacher, mask);
        else
          throw Error(ErrorCode::internal, std::string("the loss ") + Loss::kName + " reads no layers");
      },
      loss);
}

}  // namespace

at::Tensor project(const at::Tensor& x, const at::Tensor& weight, std::int64_t dim) {
  return at::linear(x.to(weight.scalar_type()).movedim(dim, -1), weight).movedim(-1, dim);
}

std::size_t TapList::add(const std::string& value) {
  const auto found = std::find(names_.begin(), names_.end(), value);
  if (found != names_.end()) return static_cast<std::size_t>(found - names_.begin());
  names_.push_back(value);
  return names_.size() - 1;
}

std::vector<std::pair<std::size_t, std::size_t>> map_layers(Mapping mapping, std::size_t students, std::size_t teachers) {
  std::vector<std::pair<std::size_t, std::size_t>> pairs;
  if (mapping == Mapping::final) return {{students - 1, teachers - 1}};
  for (std::size_t m = 0; m < students; ++m) {
    pairs.emplace_back(m, mapping == Mapping::last ? teachers - students + m : (2 * (m + 1) * teachers + students) / (2 * students) - 1);
  }
  return pairs;
}

LayerTerm::LayerTerm(const LossConfig& loss, Anatomy& student, Anatomy& teacher, TapList& student_taps, TapList& teacher_taps,
                     const std::string& pointer, std::vector<Problem>& problems)
    : loss_(loss), pointer_(pointer) {
  for (const auto& [ours, theirs] : find_pairs(loss, student, teacher, pointer, problems)) {
    if (!ours.value || !theirs.value) {
      problems.push_back({"the attention of " + (ours.value ? theirs : ours).layer + " is spelled out in the graph, where queries and keys cannot be told apart",
                          {.pointer = pointer}, "use of: value"});
      continue;
    }
    pairs_.push_back({ours.layer, theirs.layer, student_taps.add(ours.value->name()), teacher_taps.add(theirs.value->name()), {}});
  }
}

void LayerTerm::fit(const Readings& student, const Readings& teacher, const at::Tensor& mask, std::uint64_t seed, std::vector<Problem>& problems) {
  for (auto& pair : pairs_) {
    const auto &s = student.taps.at(pair.student_tap), &t = teacher.taps.at(pair.teacher_tap);
    fit_pair(pair, s, t, seed, problems);
    const std::int64_t positions = site_of(loss_) == SiteKind::hidden ? 1 : 2;
    const bool fits = s.dim() > positions && mask.defined() && mask.size(1) == s.size(positions);
    if (mask.defined() && !fits && !ignores_mask(loss_)) {
      problems.push_back({"`mask` " + describe_sizes(mask) + " does not fit " + pair.student + " " + describe_sizes(s), {.pointer = pointer_}, "remove `mask`"});
    }
  }
}

void LayerTerm::fit_pair(LayerPair& pair, const at::Tensor& student, const at::Tensor& teacher, std::uint64_t seed, std::vector<Problem>& problems) {
  const auto refuse = [&](const std::string& hint) {
    problems.push_back({pair.student + " of the student gives " + describe_sizes(student) + ", " + pair.teacher + " of the teacher " + describe_sizes(teacher),
                        {.pointer = pointer_}, hint});
  };
  if (const auto hint = remedy_of(loss_, student, teacher); !hint.empty()) return refuse(hint);
  if (!may_project(loss_) || student.sizes() == teacher.sizes()) return;
  std::int64_t differing = 0;
  for (std::int64_t dim = 1; student.dim() == teacher.dim() && dim < student.dim(); ++dim) {
    if (student.size(dim) == teacher.size(dim)) continue;
    pair.projected_dim = dim;
    ++differing;
  }
  if (differing != 1) return refuse("only a difference in one dimension can be projected: name other layers");
  // Layers of one width share a projection, as the paper's W_h: they add to one residual stream.
  const auto to = teacher.size(pair.projected_dim), from = student.size(pair.projected_dim);
  for (const auto& other : pairs_) {
    if (other.projection.defined() && other.projection.size(0) == to && other.projection.size(1) == from) pair.projection = other.projection;
  }
  if (!pair.projection.defined()) {
    pair.projection = make_projection(to, from, derive_seed(seed, "projection" + pointer_, static_cast<std::uint64_t>(parameters().size())), student.device());
  }
}

std::vector<std::pair<std::string, at::Tensor>> LayerTerm::parameters() const {
  std::vector<std::pair<std::string, at::Tensor>> made;
  for (const auto& pair : pairs_) {
    const bool known = std::ranges::any_of(made, [&](const auto& entry) { return entry.second.is_same(pair.projection); });
    if (pair.projection.defined() && !known) made.emplace_back("projection." + std::to_string(made.size()), pair.projection);
  }
  return made;
}

at::Tensor LayerTerm::loss(const Readings& student, const Readings& teacher, const at::Tensor& mask) const {
  at::Tensor sum;
  for (const auto& pair : pairs_) {
    auto s = student.taps[pair.student_tap];
    if (pair.projection.defined()) s = project(s, pair.projection, pair.projected_dim);
    const auto part = compare(loss_, s, teacher.taps[pair.teacher_tap], mask);
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

}  // namespace dsc
