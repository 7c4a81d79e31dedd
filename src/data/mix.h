// Pictures of a batch mixed with each other, and their labels with them.
#pragma once

#include <cstdint>
#include <vector>

#include "core/random.h"
#include "data/open.h"

namespace dsc {

// Applies mixup or cutmix, whichever `augmentations` has (of both, one at random), to images [N, C, H, W] with class
// labels: the target becomes soft. One share for the whole batch; partners are a permutation of it. Nothing happens when
// neither is asked for.
void mix_batch(const std::vector<Augmentation>& augmentations, std::int64_t classes, Random random, Batch& batch);

}  // namespace dsc
