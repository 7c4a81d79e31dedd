// From ov::Model to Engine. Included by deploy/openvino_*.cpp only.
#pragma once

#include <memory>

#include "deploy/openvino_engine.h"

namespace ov {
class Core;
class Model;
}  // namespace ov

namespace dsc {

// Whose model may keep state from one run to the next.
class StatefulEngine : public TimingEngine {
 public:
  virtual void forget() = 0;  // starts anew
};

ov::Core& openvino_core();
std::unique_ptr<StatefulEngine> compile_openvino(const std::shared_ptr<ov::Model>& model, const OpenVinoOptions& options);

}  // namespace dsc
