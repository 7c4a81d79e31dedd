// What a .pt file is: the extension is used for TorchScript and for whatever torch.save was given.
#pragma once

#include <string>

namespace dsc::torchscript {

// Returns when the file is a TorchScript archive whose tensors are undamaged.
// errors: model_file, saying what the file is instead (a state dictionary, a pickled module of class X, a torch.export
// archive, ...) and how to export; io.
void check_is_torchscript(const std::string& path);

}  // namespace dsc::torchscript
