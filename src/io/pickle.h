// Reads what torch.save pickles of plain data: tensors, numbers, texts, None, tuples, lists, dictionaries. Python classes are
// names without meaning here: whatever would need one is refused, and nothing is executed.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace dsc::pickle {

struct Item;
// A class or function by its name: "torch.FloatStorage".
struct Global {
  std::string name;
};
struct Sequence {  // a tuple or a list
  std::vector<Item*> items;
};
struct Dictionary {
  std::vector<std::pair<Item*, Item*>> entries;  // in their order
};
struct Item {
  std::variant<std::monostate, bool, std::int64_t, double, std::string, at::Tensor, Global, Sequence, Dictionary> value;
};

class Unreadable : public std::exception {
 public:
  explicit Unreadable(std::string what) : what_(std::move(what)) {}
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string what_;
};

// A tensor whose elements lie outside of its storage.
class BeyondStorage : public Unreadable {
  using Unreadable::Unreadable;
};

// A pickled object; items refer to each other by pointers into it.
class Pickle {
 public:
  // `storage`: the bytes of a record by its key ("0").
  using FindStorage = std::function<at::Tensor(const std::string& key)>;
  // throws Unreadable.
  Pickle(std::string_view bytes, const FindStorage& storage);
  const Item& root() const { return *root_; }

 private:
  friend class Machine;
  friend void check_tensors(std::string_view bytes, const FindStorage& storage);
  Pickle() = default;
  std::deque<Item> items_;
  Item* root_ = nullptr;
};

// Whether every text, number and name of a pickle ends within it, and its memo has no more places than it has bytes: readers that
// trust these would ask for gigabytes. Knows the operations of protocol 2 and those that TorchScript uses; false for others as well.
bool lengths_are_right(std::string_view bytes);

// Follows what TorchScript pickles, objects of its classes left aside: LibTorch's reader makes tensors without asking whether their
// storage holds them. throws BeyondStorage for such a tensor, Unreadable for what it cannot follow.
void check_tensors(std::string_view bytes, const Pickle::FindStorage& storage);

}  // namespace dsc::pickle
