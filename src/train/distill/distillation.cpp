#include "train/distill/distillation.h"

#include <utility>

#include "train/distill/session.h"

namespace dsc {

TrainResult distill(Model& student, const DistillOptions& options, TrainHooks hooks, PassContext& context, const std::string& at) {
  DistillSession session(student, options, context, at);
  session.add_hooks(hooks);
  auto result = train(session.student(), options.train, session.objective(), hooks, context);
  student.weights = session.student().weights;
  return result;
}

}  // namespace dsc
