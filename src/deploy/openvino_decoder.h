// Converts a Model to an ov::Model through OpenVINO's PyTorch frontend, which reads our graph by a TorchDecoder.
#pragma once

#include <memory>
#include <string>

#include "dscompress/model.h"

namespace ov {
class Model;
}

namespace dsc {

// Weights that the graph writes into (a streaming cache) become variables of these names: ReadValue and Assign. What the user
// gives stays as it is, also where the graph writes into its inputs. The network is taken in evaluation form.
// Inputs and outputs have the graph's names and types, sizes are open where they are symbolic. Weights share the
// model's memory. FakeQuantize ranges are Constants, and fake-quantised weights integers of 4 or 8 bits.
// errors: unsupported, naming every operator that cannot be converted, with node and source line.
std::shared_ptr<ov::Model> convert_to_openvino(const Model& model);

// Stores fake-quantised weights as integers: FakeQuantize(Constant f32) becomes
// Multiply(Subtract(Convert(Constant), zero_point), scale), which INT8 kernels are chosen for just the same.
void store_integer_weights(ov::Model& model);

// Gives quantisers of activations with fewer than 256 levels all of them, and clamps in front: integer kernels take bytes.
void widen_quantizers(ov::Model& model);

// Keeps strided 1x1 convolutions of quantised activations away from an INT8 kernel that is wrong at random.
void slice_before_pointwise(ov::Model& model);

// Lets quantisers that share a normalisation's result with a residual add fuse into a step of their own.
void give_quantizers_own_steps(ov::Model& model);

}  // namespace dsc
