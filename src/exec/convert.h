// Our scalar types, devices and layouts against c10's.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/MemoryFormat.h>
#include <c10/core/ScalarType.h>

#include "dscompress/graph.h"

namespace dsc {

c10::ScalarType to_c10(ScalarType type);       // errors: unsupported
ScalarType from_c10(c10::ScalarType type);     // errors: unsupported
c10::Device to_c10(const Device& device);
c10::MemoryFormat to_c10(MemoryFormat format);

}  // namespace dsc
