// Convolution with the addition and the rectifier behind it, for evaluation in bf16 on the CPU.
#pragma once

#include <ATen/core/ivalue.h>

#include <vector>

namespace dsc {

// The kernel of a joined step (exec/chains.h): the arguments of aten.conv2d, then a tensor to add or none, then the
// rectifier's ceiling. oneDNN applies both while the convolution's result is in its registers, in float; what it does not
// take (an addend of other sizes or type, a ceiling) is computed operator by operator.
void rectified_convolution(std::vector<c10::IValue>& stack);

}  // namespace dsc
