#include "parallel/ranks.h"

#include <ATen/ops/empty.h>

#include <cstring>

namespace dsc {
namespace {

class Alone final : public Ranks {
 public:
  std::int64_t rank() const override { return 0; }
  std::int64_t size() const override { return 1; }
  void sum(const std::vector<at::Tensor>&) override {}
  void take_largest(const at::Tensor&) override {}
  std::vector<at::Tensor> all_of(const at::Tensor& tensor) override { return {tensor}; }
  at::Tensor from(std::int64_t, const at::Tensor& tensor) override { return tensor; }
  bool announce(const Error&) override { return false; }
  void part() override {}
};

class SumDone final : public SumUnderway {
 public:
  void arrive() override {}
};

at::Tensor bytes_of(const std::string& text) {
  at::Tensor bytes = at::empty({static_cast<std::int64_t>(text.size())}, at::kByte);
  if (!text.empty()) std::memcpy(bytes.mutable_data_ptr(), text.data(), text.size());
  return bytes;
}

std::string text_of(const at::Tensor& bytes) { return {static_cast<const char*>(bytes.const_data_ptr()), static_cast<std::size_t>(bytes.numel())}; }

}  // namespace

std::unique_ptr<SumUnderway> Ranks::begin_sum(const std::vector<at::Tensor>& tensors) {
  sum(tensors);
  return std::make_unique<SumDone>();
}

Ranks& alone() {
  static Alone ranks;
  return ranks;
}

std::string from_first(Ranks& ranks, const std::function<std::string()>& make) {
  if (ranks.is_alone()) return make();
  return text_of(ranks.from(0, ranks.is_first() ? bytes_of(make()) : at::Tensor()));
}

void check_same(Ranks& ranks, std::string_view what, const std::string& text) {
  if (ranks.is_alone()) return;
  std::string others;
  const std::string firsts = from_first(ranks, [&] { return text; });
  at::Tensor differs = at::empty({1}, at::kLong);
  *differs.mutable_data_ptr<std::int64_t>() = firsts == text ? 0 : 1;
  const auto all = ranks.all_of(differs);
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (*all[rank].const_data_ptr<std::int64_t>() != 0) others += (others.empty() ? "" : ", ") + std::to_string(rank);
  }
  if (others.empty()) return;
  throw Error(ErrorCode::internal, std::string(what) + " of rank " + others + " differ from those of rank 0", {},
              "all processes must run on the same kind of processor, with the same build and libraries");
}

Part part_of(const Ranks& ranks, std::int64_t size) {
  const std::int64_t begin = size * ranks.rank() / ranks.size();
  return {begin, size * (ranks.rank() + 1) / ranks.size() - begin};
}

}  // namespace dsc
