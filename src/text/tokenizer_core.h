// OpenVINO with the operators of tokenizers. Included by text/tokenizer.cpp and text/codec.cpp only.
#pragma once

namespace ov {
class Core;
}

namespace dsc {

// Apart from the core that runs networks, which never needs them. errors: unsupported, the library is missing.
ov::Core& tokenizer_core();

}  // namespace dsc
