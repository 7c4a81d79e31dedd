// The only file that knows c10d.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/tensor.h>
#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "core/interrupt.h"
#include "parallel/buckets.h"
#include "parallel/group.h"
#include "parallel/local_address.h"
#include "parallel/rank_error.h"
#include "parallel/shared_exchange.h"

namespace dsc {
namespace {

using namespace std::chrono_literals;

constexpr auto kJoinTimeout = 300s;       // for the others to start
constexpr auto kTimeout = 6h;             // of one call; a rank that is gone is noticed at once, one that computes may take long
constexpr auto kFailureWait = 2000ms;     // for the words of a rank that is gone
constexpr auto kPoll = 50ms;
const std::string kFailure = "failure", kHeard = "heard", kGone = "gone";

// Of "[file.cc:537] Read error: Connection reset by peer. This is typically caused by ..." what happened.
std::string first_sentence(const std::string& text) {
  const auto place = text.starts_with('[') ? text.find("] ") : std::string::npos;
  const std::string rest = place == std::string::npos ? text : text.substr(place + 2);
  return rest.substr(0, std::min(rest.find('\n'), rest.find(". ")));
}

std::vector<std::uint8_t> to_bytes(const std::string& text) { return {text.begin(), text.end()}; }

Error as_told(const std::string& text) {
  const auto told = parse_rank_error(text);
  auto problems = told.error.problems();
  problems.front().message = "rank " + std::to_string(told.rank) + ": " + problems.front().message;
  return {told.error.code(), std::move(problems)};
}

// Type and sizes, so that a rank can receive what it does not know.
constexpr std::int64_t kMostDims = 16;
at::Tensor describe(const at::Tensor& tensor) {
  std::vector<std::int64_t> numbers(kMostDims + 2, 0);
  if (tensor.defined()) {
    TORCH_CHECK(tensor.dim() <= kMostDims, "a tensor of ", tensor.dim(), " dimensions");
    numbers[0] = static_cast<std::int64_t>(tensor.scalar_type());
    numbers[1] = tensor.dim();
    std::copy(tensor.sizes().begin(), tensor.sizes().end(), numbers.begin() + 2);
  }
  return at::tensor(numbers, at::kLong);
}
at::Tensor make_described(const at::Tensor& description) {
  const auto* numbers = description.const_data_ptr<std::int64_t>();
  return at::empty(at::IntArrayRef(numbers + 2, static_cast<std::size_t>(numbers[1])), static_cast<at::ScalarType>(numbers[0]));
}

using GroupPointer = c10::intrusive_ptr<c10d::ProcessGroupGloo>;

// Buckets that travel: each is on its way while the next is filled.
class TravellingBuckets {
 public:
  TravellingBuckets(c10d::ProcessGroupGloo& group, const std::vector<at::Tensor>& tensors) : buckets_(make_buckets(tensors)) {
    for (auto& bucket : buckets_) {
      bucket.fill();
      std::vector<at::Tensor> list{bucket.memory};
      works_.push_back(group.allreduce(list));
    }
  }
  void arrive() {
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      works_[i]->wait();
      buckets_[i].empty();
    }
  }

 private:
  std::vector<Bucket> buckets_;
  std::vector<c10::intrusive_ptr<c10d::Work>> works_;
};

class GlooRanks final : public Ranks {
 public:
  // beside: connections of their own for the sums that travel while other calls are made; null where the ranks share memory.
  GlooRanks(const Membership& membership, c10::intrusive_ptr<c10d::Store> store, GroupPointer group, GroupPointer beside)
      : rank_(membership.rank),
        size_(membership.size),
        serves_(membership.serves),
        store_(std::move(store)),
        group_(std::move(group)),
        beside_(std::move(beside)) {
    if (!membership.store_file.empty()) memory_ = std::make_unique<SharedExchange>(membership.store_file + ".memory", rank_, size_);
  }

  std::int64_t rank() const override { return rank_; }
  std::int64_t size() const override { return size_; }

  void sum(const std::vector<at::Tensor>& tensors) override {
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> others;
    sum_in_memory<float>(tensors);
    sum_in_memory<double>(tensors);
    for (const auto& tensor : tensors) {
      if (!is_summed_in_memory(tensor)) others.push_back(tensor);
    }
    call([&] { TravellingBuckets(*group_, others).arrive(); });
  }

  bool sums_travel() const override { return beside_ != nullptr; }

  std::unique_ptr<SumUnderway> begin_sum(const std::vector<at::Tensor>& tensors) override {
    if (!beside_) return Ranks::begin_sum(tensors);
    const at::NoGradGuard no_grad;
    std::unique_ptr<SumUnderway> sum;
    call([&] { sum = std::make_unique<TravellingSum>(*this, tensors); });
    return sum;
  }

  void take_largest(const at::Tensor& tensor) override {
    const auto parts = all_of(tensor);
    at::Tensor largest = parts[0];
    for (std::size_t rank = 1; rank < parts.size(); ++rank) largest = at::maximum(largest, parts[rank]);
    tensor.copy_(largest);
  }

  std::vector<at::Tensor> all_of(const at::Tensor& tensor) override {
    std::vector<at::Tensor> own{tensor.detach().to(at::kCPU).contiguous()};
    std::vector<std::vector<at::Tensor>> all(1);
    for (std::int64_t rank = 0; rank < size_; ++rank) all[0].push_back(at::empty_like(own[0]));
    if (!goes_by_memory(own[0])) {
      call([&] { group_->allgather(all, own)->wait(); });
      return all[0];
    }
    std::vector<void*> places;
    for (const at::Tensor& part : all[0]) places.push_back(part.mutable_data_ptr());
    call([&] { memory_->exchange(own[0].const_data_ptr(), own[0].nbytes(), places, [this] { throw_if_told(); }); });
    return all[0];
  }

  at::Tensor from(std::int64_t from, const at::Tensor& tensor) override {
    c10d::BroadcastOptions options;
    options.rootRank = from;
    std::vector<at::Tensor> description{describe(rank_ == from ? tensor : at::Tensor())};
    call([&] { group_->broadcast(description, options)->wait(); });
    const at::Tensor whole = rank_ == from ? tensor.detach().to(at::kCPU).contiguous() : make_described(description[0]);
    if (whole.numel() == 0) return whole;
    std::vector<at::Tensor> bytes{whole.reshape({-1}).view(at::kByte)};  // gloo does not know every type
    call([&] { group_->broadcast(bytes, options)->wait(); });
    return whole;
  }

  // The others notice when the connections close, and ask the store why: who keeps the store stays until they have.
  bool announce(const Error& error) override {
    try {
      if (!store_->check({kFailure})) store_->set(kFailure, to_bytes(to_json(RankError{rank_, error})));
      group_.reset();
      beside_.reset();
      if (!is_first()) {
        const bool heard = wait_for([&] { return store_->check({kHeard}); });
        store_->add(kGone, 1);
        return heard;
      }
      store_->set(kHeard, to_bytes("1"));
      if (serves_) wait_for([&] { return store_->add(kGone, 0) >= size_ - 1; });
    } catch (const std::exception&) {
      // The store is gone, and whoever kept it with it: there is nobody left to tell.
    }
    return false;
  }

  void part() override {
    call([&] { group_->barrier()->wait(); });
  }

 private:
  class TravellingSum final : public SumUnderway {
   public:
    TravellingSum(const GlooRanks& ranks, const std::vector<at::Tensor>& tensors) : ranks_(ranks), buckets_(*ranks.beside_, tensors) {}
    void arrive() override {
      const at::NoGradGuard no_grad;
      ranks_.call([&] { buckets_.arrive(); });
    }

   private:
    const GlooRanks& ranks_;
    TravellingBuckets buckets_;
  };

  bool goes_by_memory(const at::Tensor& tensor) const { return memory_ && tensor.nbytes() <= SharedExchange::kMostBytes; }
  bool is_summed_in_memory(const at::Tensor& tensor) const { return memory_ && (tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kDouble); }

  template <class T>
  void sum_in_memory(const std::vector<at::Tensor>& tensors) {
    std::vector<std::pair<at::Tensor, at::Tensor>> pairs;  // a tensor, and its values as they travel: the same, or a copy
    std::vector<std::span<T>> pieces;
    for (const auto& tensor : tensors) {
      if (!is_summed_in_memory(tensor) || tensor.scalar_type() != c10::CppTypeToScalarType<T>::value) continue;
      const at::Tensor& plain = pairs.emplace_back(tensor, tensor.to(at::kCPU).contiguous()).second;
      pieces.emplace_back(plain.mutable_data_ptr<T>(), static_cast<std::size_t>(plain.numel()));
    }
    if (pieces.empty()) return;
    call([&] { memory_->sum(pieces, [this] { throw_if_told(); }); });
    for (const auto& [tensor, plain] : pairs) {
      if (!plain.is_same(tensor)) tensor.copy_(plain);
    }
  }

  template <class Body>
  void call(Body body) const {
    try {
      body();
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      throw_loss(first_sentence(error.what()));
    }
  }

  template <class Condition>
  bool wait_for(Condition holds) const {
    for (auto waited = 0ms; waited < kFailureWait; waited += kPoll) {
      if (holds()) return true;
      std::this_thread::sleep_for(kPoll);
    }
    return holds();
  }

  // What another rank has announced.
  void throw_if_told() const {
    throw_if_interrupted();
    if (!store_->check({kFailure})) return;
    const auto bytes = store_->get(kFailure);
    throw as_told({bytes.begin(), bytes.end()});
  }

  [[noreturn]] void throw_loss(const std::string& what) const {
    throw_if_interrupted();
    try {
      wait_for([&] { return store_->check({kFailure}); });
      throw_if_told();
    } catch (const Error&) {
      throw;
    } catch (const std::exception&) {
      // As above: the loss itself is what there is to say.
    }
    throw_if_interrupted();
    throw Error(ErrorCode::io, "a process that this run is shared with is gone (" + what + ")", {}, "see its own messages, and the system's log for memory that ran out");
  }

  std::int64_t rank_, size_;
  bool serves_;
  c10::intrusive_ptr<c10d::Store> store_;
  GroupPointer group_, beside_;
  std::unique_ptr<SharedExchange> memory_;  // where all ranks are processes of one machine: for sums, and for what is small
};

c10::intrusive_ptr<c10d::Store> open_store(const Membership& membership) {
  if (!membership.store_file.empty()) return c10::make_intrusive<c10d::FileStore>(membership.store_file, static_cast<int>(membership.size));
  c10d::TCPStoreOptions options;
  options.port = membership.port;
  options.isServer = membership.serves;
  options.numWorkers = static_cast<std::size_t>(membership.size);
  options.multiTenant = true;
  options.timeout = kJoinTimeout;
  auto store = c10::make_intrusive<c10d::TCPStore>(membership.address, options);
  return c10::make_intrusive<c10d::PrefixStore>("dscompress/" + membership.round, std::move(store));
}

GroupPointer connect(const Membership& membership, c10::intrusive_ptr<c10d::Store> store) {
  auto options = c10d::ProcessGroupGloo::Options::create(kTimeout);
  const std::string own = membership.store_file.empty() ? local_address(membership.address, membership.port) : "127.0.0.1";
  options->devices = {c10d::ProcessGroupGloo::createDeviceForHostname(own)};
  auto group =
      c10::make_intrusive<c10d::ProcessGroupGloo>(std::move(store), static_cast<int>(membership.rank), static_cast<int>(membership.size), options);
  group->barrier()->wait();  // one that fails at once must not close what others are still connecting
  return group;
}

}  // namespace

std::unique_ptr<Ranks> join_group(const Membership& membership) {
  try {
    auto store = open_store(membership);
    store->setTimeout(kJoinTimeout);
    auto group = connect(membership, store);
    auto beside = membership.store_file.empty() ? connect(membership, c10::make_intrusive<c10d::PrefixStore>("beside", store)) : nullptr;
    return std::make_unique<GlooRanks>(membership, std::move(store), std::move(group), std::move(beside));
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw_if_interrupted();
    throw Error(ErrorCode::io, "rank " + std::to_string(membership.rank) + " of " + std::to_string(membership.size) + " does not find the others: " + first_sentence(error.what()), {},
                "start all of them within " + std::to_string(kJoinTimeout.count()) + " s, with one MASTER_ADDR and MASTER_PORT that all can reach");
  }
}

}  // namespace dsc
