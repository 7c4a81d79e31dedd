// The PyPI wheel of torch carries c10d's headers but not gloo's. ProcessGroupGloo.hpp includes five of them and names their
// types by pointer and as a base class only: these stand in, and no function of theirs is ever called from here.
#pragma once
#include <chrono>
namespace gloo {
class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};
}  // namespace gloo
