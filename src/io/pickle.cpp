// The machine of Python's pickle protocol 2, as far as torch.save uses it: a stack, marks on it, and a memo.
#include "io/pickle.h"

#include <ATen/ops/empty.h>

#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "io/pt2_payload.h"

namespace dsc::pickle {
namespace {

constexpr std::size_t kDeepest = 1'000'000;  // items on the stack

struct StorageType {
  std::string_view name;
  at::ScalarType type;
};
constexpr std::array<StorageType, 12> kStorages = {{{"torch.FloatStorage", at::kFloat},
                                                    {"torch.DoubleStorage", at::kDouble},
                                                    {"torch.HalfStorage", at::kHalf},
                                                    {"torch.BFloat16Storage", at::kBFloat16},
                                                    {"torch.LongStorage", at::kLong},
                                                    {"torch.IntStorage", at::kInt},
                                                    {"torch.ShortStorage", at::kShort},
                                                    {"torch.CharStorage", at::kChar},
                                                    {"torch.ByteStorage", at::kByte},
                                                    {"torch.BoolStorage", at::kBool},
                                                    {"torch.ComplexFloatStorage", at::kComplexFloat},
                                                    {"torch.ComplexDoubleStorage", at::kComplexDouble}}};

template <class T>
const T& as(const Item* item, const char* what) {
  const auto* found = std::get_if<T>(&item->value);
  if (!found) throw Unreadable(std::string("expected ") + what);
  return *found;
}

}  // namespace

class Machine {
 public:
  // objects: what becomes of classes and calls that plain data does not need.
  enum class Objects : std::uint8_t { refused, left_aside };
  Machine(Pickle& pickle, std::string_view bytes, const Pickle::FindStorage& storage, Objects objects) : pickle_(pickle), bytes_(bytes), storage_(storage), objects_(objects) {}

  Item* run() {
    while (true) {
      const char code = take<char>();
      if (code == '.') return pop();
      step(code);
      if (stack_.size() > kDeepest) throw Unreadable("too many items");
    }
  }

 private:
  // --- bytes ---

  std::string_view take_bytes(std::size_t size) {
    if (size > bytes_.size() - at_) throw Unreadable("the pickle ends too early");
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  template <class T>
  T take() {
    T value;
    std::memcpy(&value, take_bytes(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string take_line() {
    const auto end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) throw Unreadable("the pickle ends too early");
    const std::string line(take_bytes(end - at_));
    ++at_;
    return line;
  }
  std::int64_t take_long() {
    const auto text = take_bytes(take<std::uint8_t>());
    if (text.size() > 8) throw Unreadable("a number beyond 64 bits");
    std::uint64_t value = text.empty() || static_cast<signed char>(text.back()) >= 0 ? 0 : ~std::uint64_t{0};
    std::memcpy(&value, text.data(), text.size());
    return static_cast<std::int64_t>(value);
  }
  double take_double() {
    auto bits = take<std::uint64_t>();
    return std::bit_cast<double>(__builtin_bswap64(bits));  // the one number that pickles hold in network order
  }

  // --- stack ---

  template <class T>
  void push(T value) {
    pickle_.items_.push_back({std::move(value)});
    stack_.push_back(&pickle_.items_.back());
  }
  Item* pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) throw Unreadable("the stack is empty");
    Item* item = stack_.back();
    stack_.pop_back();
    return item;
  }
  Item* top() {
    Item* item = pop();
    stack_.push_back(item);
    return item;
  }
  std::vector<Item*> pop_mark() {
    if (marks_.empty() || marks_.back() > stack_.size()) throw Unreadable("no mark on the stack");
    std::vector<Item*> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  void push_tuple(std::size_t size) {
    std::vector<Item*> items(size);
    for (auto item = items.rbegin(); item != items.rend(); ++item) *item = pop();
    push(Sequence{std::move(items)});
  }

  // --- operations ---

  void step(char code) {
    switch (code) {
      case '\x80': take<char>(); break;
      case '(': marks_.push_back(stack_.size()); break;
      case ')': push(Sequence{}); break;
      case ']': push(Sequence{}); break;
      case '}': push(Dictionary{}); break;
      case 't': push(Sequence{pop_mark()}); break;
      case '\x85': push_tuple(1); break;
      case '\x86': push_tuple(2); break;
      case '\x87': push_tuple(3); break;
      case 'N': push(std::monostate{}); break;
      case '\x88': push(true); break;
      case '\x89': push(false); break;
      case 'K': push(std::int64_t{take<std::uint8_t>()}); break;
      case 'M': push(std::int64_t{take<std::uint16_t>()}); break;
      case 'J': push(std::int64_t{take<std::int32_t>()}); break;
      case '\x8a': push(take_long()); break;
      case 'G': push(take_double()); break;
      case 'X': push(std::string(take_bytes(take<std::uint32_t>()))); break;
      case 'q': memo_[take<std::uint8_t>()] = top(); break;
      case 'r': memo_[take<std::uint32_t>()] = top(); break;
      case 'h': recall(take<std::uint8_t>()); break;
      case 'j': recall(take<std::uint32_t>()); break;
      default: step_on_objects(code);
    }
  }

  void step_on_objects(char code) {
    switch (code) {
      case 'a': append({pop()}); break;
      case 'e': append(pop_mark()); break;
      case 's': {
        Item* value = pop();
        set_items({pop(), value});
        break;
      }
      case 'u': set_items(pop_mark()); break;
      case 'c': {
        const auto module = take_line();
        push(Global{module + "." + take_line()});
        break;
      }
      case 'Q': push_storage(); break;
      case 'R': call(); break;
      case '\x81':  // a new object of a class
        pop();
        pop();
        leave_aside("an object");
        break;
      case 'b':  // what is in it
        pop();
        if (objects_ == Objects::refused) throw Unreadable("the state of an object");
        break;
      default: throw Unreadable("an operation that plain data does not need");
    }
  }

  void leave_aside(const std::string& what) {
    if (objects_ == Objects::refused) throw Unreadable(what);
    push(std::monostate{});
  }

  void recall(std::uint32_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) throw Unreadable("something is used before it is made");
    stack_.push_back(found->second);
  }

  void append(const std::vector<Item*>& items) {
    auto* list = std::get_if<Sequence>(&top()->value);
    if (!list && objects_ == Objects::left_aside) return;
    if (!list) throw Unreadable("expected a list");
    list->items.insert(list->items.end(), items.begin(), items.end());
  }

  void set_items(const std::vector<Item*>& items) {
    auto* dictionary = std::get_if<Dictionary>(&top()->value);
    if (!dictionary && objects_ == Objects::left_aside) return;
    if (!dictionary || items.size() % 2) throw Unreadable("expected a dictionary");
    for (std::size_t i = 0; i < items.size(); i += 2) dictionary->entries.emplace_back(items[i], items[i + 1]);
  }

  // ("storage", torch.FloatStorage, "0", "cpu", 12): the record's bytes as a flat tensor of the storage's type.
  void push_storage() {
    const auto& parts = as<Sequence>(pop(), "a storage").items;
    if (parts.size() != 5 || as<std::string>(parts[0], "a storage") != "storage") throw Unreadable("expected a storage");
    const auto& name = as<Global>(parts[1], "a type").name;
    for (const auto& known : kStorages) {
      if (known.name != name) continue;
      const auto bytes = storage_(as<std::string>(parts[2], "a key"));
      auto flat = at::empty({0}, at::TensorOptions().dtype(known.type));
      flat.set_(bytes.storage(), 0, {static_cast<std::int64_t>(bytes.nbytes() / known_width(known.type))}, {1});
      push(std::move(flat));
      return;
    }
    leave_aside("a storage of type " + name);
  }

  static std::size_t known_width(at::ScalarType type) { return c10::elementSize(type); }

  void call() {
    const auto& arguments = as<Sequence>(pop(), "arguments").items;
    const auto& name = as<Global>(pop(), "a function").name;
    if (name == "collections.OrderedDict" && arguments.empty()) push(Dictionary{});
    else if (name == "torch._utils._rebuild_tensor_v2" && arguments.size() >= 6) push_tensor(arguments);
    else if (name == "torch._utils._rebuild_parameter" && !arguments.empty()) push(as<at::Tensor>(arguments[0], "a tensor"));
    else leave_aside("a call of " + name);
  }

  // (storage, offset, sizes, strides, requires_grad, hooks)
  void push_tensor(const std::vector<Item*>& arguments) {
    if (objects_ == Objects::left_aside && !std::holds_alternative<at::Tensor>(arguments[0]->value)) return push(std::monostate{});
    const auto& flat = as<at::Tensor>(arguments[0], "a storage");
    const auto offset = as<std::int64_t>(arguments[1], "an offset");
    const auto sizes = integers(arguments[2]), strides = integers(arguments[3]);
    const auto elements = pt2::elements_spanned(sizes, strides, offset);
    if (!elements || *elements > static_cast<std::uint64_t>(flat.numel())) throw BeyondStorage("a tensor larger than its storage");
    auto tensor = at::empty({0}, flat.options());
    tensor.set_(flat.storage(), offset, sizes, strides);
    push(std::move(tensor));
  }

  static std::vector<std::int64_t> integers(const Item* item) {
    std::vector<std::int64_t> numbers;
    for (const Item* part : as<Sequence>(item, "sizes").items) numbers.push_back(as<std::int64_t>(part, "a size"));
    return numbers;
  }

  Pickle& pickle_;
  std::string_view bytes_;
  const Pickle::FindStorage& storage_;
  Objects objects_;
  std::size_t at_ = 0;
  std::vector<Item*> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, Item*> memo_;
};

Pickle::Pickle(std::string_view bytes, const FindStorage& storage) { root_ = Machine(*this, bytes, storage, Machine::Objects::refused).run(); }

void check_tensors(std::string_view bytes, const Pickle::FindStorage& storage) {
  Pickle pickle;
  Machine(pickle, bytes, storage, Machine::Objects::left_aside).run();
}

}  // namespace dsc::pickle
