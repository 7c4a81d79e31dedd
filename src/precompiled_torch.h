// Precompiled for layers that use ATen. Sources include what they use all the same, per operator.
#pragma once
#include "precompiled_plain.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
