// Precompiled for the tests. Sources include what they use all the same.
#pragma once
#include "precompiled_torch.h"

#include <gtest/gtest.h>
