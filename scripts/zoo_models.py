"""The zoo: name -> arguments of scripts/export_model.py. Small variants and pictures, so that all of it runs in an hour."""
import pathlib

OWN = str(pathlib.Path(__file__).parent / "zoo_own.py")
TEXT = ["--dynamic", "batch,sequence"]
SMALL = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, vocab_size=200)


def settings(**values):
    return [word for name, value in values.items() for word in ("--set", f"{name}={value!r}")]


def tv(name, size=64, **values):
    return [f"torchvision:{name}", "--image", f"{size}x{size}", *settings(**values)]


def clip(name, **values):  # video
    return [f"torchvision:{name}", "--input", "x=2x3x8x32x32", *settings(**values)]


def timm(name, size=64, fixed=False, **values):
    """fixed: the architecture is built for one picture size, which is set."""
    return [f"timm:{name}", "--image", f"{size}x{size}", *settings(**({"img_size": size} if fixed else {}), num_classes=10, **values)]


def hf(name, *more, arguments="input_ids,attention_mask", base=SMALL, **values):
    return [f"transformers:{name}", *settings(**(base | values)), *TEXT, "--arguments", arguments, *more]


def own(name):
    return [f"{OWN}:{name}"]


TORCHVISION = {
    "alexnet": tv("alexnet", num_classes=10),
    "vgg11_bn": tv("vgg11_bn", 32, num_classes=10),
    "resnet18": tv("resnet18"),
    "resnet50": tv("resnet50"),
    "resnext50_32x4d": tv("resnext50_32x4d"),
    "wide_resnet50_2": tv("wide_resnet50_2"),
    "densenet121": tv("densenet121"),
    "googlenet": tv("googlenet", aux_logits=False, init_weights=False),
    "inception_v3": tv("inception_v3", 96, aux_logits=False, init_weights=False),
    "squeezenet1_1": tv("squeezenet1_1"),
    "mobilenet_v2": tv("mobilenet_v2"),
    "mobilenet_v3_small": tv("mobilenet_v3_small"),
    "mobilenet_v3_large": tv("mobilenet_v3_large"),
    "shufflenet_v2_x0_5": tv("shufflenet_v2_x0_5"),
    "mnasnet0_5": tv("mnasnet0_5"),
    "efficientnet_b0": tv("efficientnet_b0"),
    "efficientnet_v2_s": tv("efficientnet_v2_s"),
    "regnet_x_400mf": tv("regnet_x_400mf"),
    "regnet_y_400mf": tv("regnet_y_400mf"),
    "convnext_tiny": tv("convnext_tiny"),
    "vit_b_16": tv("vit_b_16", image_size=64),
    "swin_t": tv("swin_t"),
    "swin_v2_t": tv("swin_v2_t"),
    "fcn_resnet50": tv("fcn_resnet50", weights_backbone=None),
    "deeplabv3_mobilenet": tv("deeplabv3_mobilenet_v3_large", weights_backbone=None),
    "lraspp_mobilenet": tv("lraspp_mobilenet_v3_large", weights_backbone=None),
    "r3d_18": clip("r3d_18"),
    "r2plus1d_18": clip("r2plus1d_18"),
    "s3d": [*clip("s3d")[:1], "--input", "x=2x3x16x224x224"],
    "mvit_v2_s": ["torchvision:mvit_v2_s", "--input", "x=2x3x16x224x224"],
    "fpn_backbone": own("fpn_backbone"),
    "maxvit": own("maxvit"),
}

TIMM = {
    "vit_tiny": timm("vit_tiny_patch16_224", fixed=True, depth=3),
    "deit_distilled": timm("deit_tiny_distilled_patch16_224", fixed=True, depth=3),
    "deit3": timm("deit3_small_patch16_224", fixed=True, depth=2),
    "beit": timm("beit_base_patch16_224", fixed=True, depth=2, embed_dim=96, num_heads=4),
    "beitv2": timm("beitv2_base_patch16_224", fixed=True, depth=2, embed_dim=96, num_heads=4),
    "cait": timm("cait_xxs24_224", fixed=True, depth=2),
    "xcit": timm("xcit_nano_12_p16_224", fixed=True, depth=2),
    "eva02": timm("eva02_tiny_patch14_224", 56, fixed=True, depth=2),
    "volo": timm("volo_d1_224", fixed=True),
    "pit": timm("pit_ti_224", fixed=True),
    "tnt": timm("tnt_s_patch16_224", fixed=True, depth=2),
    "crossvit": timm("crossvit_tiny_240", 240),
    "convit": timm("convit_tiny", fixed=True, depth=3),
    "coat_lite": timm("coat_lite_tiny", fixed=True),
    "twins_pcpvt": timm("twins_pcpvt_small", fixed=True, depths=(1, 1, 1, 1)),
    "twins_svt": timm("twins_svt_small", 224, depths=(1, 1, 1, 1)),
    "nest": timm("nest_tiny", 224),
    "gcvit": timm("gcvit_xxtiny", 224),
    "swin": timm("swin_tiny_patch4_window7_224", 224, depths=(1, 1, 2, 1)),
    "hiera": timm("hiera_tiny_224", 224, stages=(1, 1, 1, 1)),
    "levit": timm("levit_128s", 224),
    "mixer": timm("mixer_s32_224", fixed=True),
    "resmlp": timm("resmlp_12_224", fixed=True),
    "gmlp": timm("gmlp_ti16_224", fixed=True),
    "poolformer": timm("poolformer_s12"),
    "caformer": timm("caformer_s18"),
    "edgenext": timm("edgenext_xx_small"),
    "mobilevit": timm("mobilevit_xxs"),
    "mobilevitv2": timm("mobilevitv2_050"),
    "efficientformer": timm("efficientformer_l1", 224, depths=(1, 1, 1, 2)),
    "efficientformerv2": timm("efficientformerv2_s0", 224),
    "efficientvit": timm("efficientvit_b0"),
    "efficientvit_m": timm("efficientvit_m0", 224),
    "fastvit": timm("fastvit_t8"),
    "repvit": timm("repvit_m0_9"),
    "mobileone": timm("mobileone_s0"),
    "repvgg": timm("repvgg_a0"),
    "convmixer": timm("convmixer_768_32"),
    "focalnet": timm("focalnet_tiny_srf"),
    "inception_next": timm("inception_next_tiny", depths=(1, 1, 1, 1)),
    "metanext": timm("convnextv2_atto"),
    "davit": timm("davit_tiny", 224, depths=(1, 1, 1, 1)),
    "visformer": timm("visformer_tiny", 224),
    "ghostnet": timm("ghostnet_050"),
    "hrnet": timm("hrnet_w18_small"),
    "res2net": timm("res2net50_26w_4s", layers=(1, 1, 1, 1)),
    "resnest": timm("resnest14d"),
    "sknet": timm("skresnet18"),
    "dla": timm("dla34"),
    "vovnet": timm("ese_vovnet19b_slim"),
    "nfnet": timm("nf_resnet26"),
    "cspresnet": timm("cspresnet50"),
    "hgnet": timm("hgnetv2_b0"),
    "botnet": timm("botnet26t_256", 128, fixed=True),
    "starnet": timm("starnet_s1"),
    "mobilenetv4": timm("mobilenetv4_conv_small"),
    "rexnet": timm("rexnet_100"),
}

WAVES = settings(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, conv_dim=[32] * 7, num_conv_pos_embeddings=16,
                 num_conv_pos_embedding_groups=4)
ENCODER = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128)
FRAMES = ["--input", "pixel_values=2x4x3x32x32", *settings(**ENCODER, image_size=32, patch_size=16, num_frames=4)]
ROTARY = dict(n_embd=64, n_layer=2, n_head=4, rotary_dim=8, vocab_size=200)


def vision(name, **values):
    return [f"transformers:{name}", "--image", "64x64", *settings(**(ENCODER | dict(image_size=64, patch_size=16) | values))]


TRANSFORMERS = {
    "bert": hf("BertForSequenceClassification", arguments="input_ids,attention_mask,token_type_ids"),
    "roberta": hf("RobertaForTokenClassification"),
    "albert": hf("AlbertForSequenceClassification", embedding_size=32),
    "electra": hf("ElectraForSequenceClassification", embedding_size=32),
    "mpnet": hf("MPNetForSequenceClassification"),
    "deberta_v2": hf("DebertaV2ForSequenceClassification", relative_attention=True, pos_att_type=["p2c", "c2p"]),
    "distilbert": hf("DistilBertForSequenceClassification", base=dict(dim=64, n_layers=2, n_heads=4, hidden_dim=128, vocab_size=200)),
    "gpt2": hf("GPT2LMHeadModel", base=dict(n_embd=64, n_layer=2, n_head=4, vocab_size=200)),
    "gpt_neox": hf("GPTNeoXForCausalLM"),
    "opt": hf("OPTForCausalLM", base=dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, ffn_dim=128, vocab_size=200, word_embed_proj_dim=64)),
    "llama_gqa": hf("LlamaForCausalLM", num_key_value_heads=2),
    "mistral": hf("MistralForCausalLM", num_key_value_heads=2),
    "qwen2": hf("Qwen2ForCausalLM", num_key_value_heads=2),
    "qwen3": hf("Qwen3ForCausalLM", num_key_value_heads=2, head_dim=16),
    "gemma": hf("GemmaForCausalLM", num_key_value_heads=1, head_dim=16),
    "phi": hf("PhiForCausalLM", num_key_value_heads=4),
    "bloom": hf("BloomForCausalLM", base=dict(hidden_size=64, n_layer=2, n_head=4, vocab_size=200)),
    "t5_encoder": hf("T5EncoderModel", base=dict(d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, vocab_size=200)),
    "t5": own("t5"),
    "bart": own("bart"),
    "segformer": ["transformers:SegformerForSemanticSegmentation", *settings(depths=[1, 1, 1, 1], hidden_sizes=[16, 32, 48, 64], decoder_hidden_size=32), "--image", "64x64"],
    "wav2vec2": ["transformers:Wav2Vec2Model", "--input", "input_values=2x4000", *WAVES],
    "whisper_encoder": own("whisper_encoder"),
    "clip_vision": ["transformers:CLIPVisionModelWithProjection", "--image", "64x64",
                    *settings(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, image_size=64, patch_size=16, projection_dim=32)],
    "dinov2": ["transformers:Dinov2ForImageClassification", "--image", "56x56",
               *settings(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, image_size=56, patch_size=14)],
}

NETWORKS = ["UNet", "PixelShuffle", "SpaceToDepth", "Conv3d", "EinsumAttention", "MultiQuery", "ChannelShuffle", "PaddedShortcut", "GroupNorms",
            "GatedConv1d", "Pyramid", "DynamicConv", "Recurrent", "FactoredViews", "Detector"]

# Tried when all others passed: how the program does on what it was not developed with.
FURTHER = {
    "coatnet": timm("coatnet_nano_rw_224", 224),
    "maxxvit": timm("maxxvit_rmlp_nano_rw_256", 256),
    "mixnet": timm("mixnet_s"),
    "lcnet": timm("lcnet_050"),
    "selecsls": timm("selecsls42b"),
    "dpn": timm("dpn48b"),
    "resnetv2": timm("resnetv2_50", layers=(1, 1, 1, 1)),
    "gernet": timm("gernet_s"),
    "cs3darknet": timm("cs3darknet_focus_s"),
    "halonet": timm("halonet26t", 256),
    "lambda_resnet": timm("lambda_resnet26t", 128),
    "sequencer": timm("sequencer2d_s", 224),
    "tiny_vit": timm("tiny_vit_5m_224", 224),
    "mvitv2": timm("mvitv2_tiny", 224),
    "pvt_v2": timm("pvt_v2_b0"),
    "swiftformer": timm("swiftformer_xs", 224),
    "fasternet": timm("fasternet_t0"),
    "ghostnetv2": timm("ghostnetv2_100"),
    "mambaout": timm("mambaout_femto"),
    "shvit": timm("shvit_s1", 224),
    "rdnet": timm("rdnet_tiny"),
    "nextvit": timm("nextvit_small"),
    "tresnet": timm("tresnet_m"),
    "hieradet": timm("hieradet_small", 224),
    "vitamin": timm("vitamin_small_224", 224),
    "vit_rope": timm("vit_small_patch16_rope_224", fixed=True, depth=2),
    "xception": timm("xception41"),
    "nasnet": timm("nasnetalarge", 96),
    "eca_resnet": timm("eca_resnet33ts"),
    "gcresnet": timm("gcresnet33ts"),
    "cvt": ["transformers:CvtForImageClassification", "--image", "64x64"],
    "convbert": hf("ConvBertForSequenceClassification", embedding_size=64, head_ratio=2, conv_kernel_size=3),
    "squeezebert": hf("SqueezeBertForSequenceClassification", embedding_size=64),
    "mobilebert": hf("MobileBertForSequenceClassification", embedding_size=32, true_hidden_size=32, intra_bottleneck_size=32),
    "roformer": hf("RoFormerForSequenceClassification", embedding_size=64),
    "nystromformer": hf("NystromformerForSequenceClassification"),
    "fnet": hf("FNetForSequenceClassification", arguments="input_ids", intermediate_size=256),  # Fourier transforms pin the width; four times it, as published
    "falcon": hf("FalconForCausalLM"),
    "phi3": hf("Phi3ForCausalLM", num_key_value_heads=2, pad_token_id=0),
    "stablelm": hf("StableLmForCausalLM", num_key_value_heads=2),
    "olmo2": hf("Olmo2ForCausalLM", num_key_value_heads=2),
    "cohere": hf("CohereForCausalLM", num_key_value_heads=2),
    "gemma2": hf("Gemma2ForCausalLM", num_key_value_heads=2, head_dim=16),
    "gemma3": hf("Gemma3ForCausalLM", num_key_value_heads=2, head_dim=16),
    "starcoder2": hf("Starcoder2ForCausalLM", num_key_value_heads=2),
    "gpt_bigcode": hf("GPTBigCodeForCausalLM", base=dict(n_embd=64, n_layer=2, n_head=4, vocab_size=200)),
    "modernbert": hf("ModernBertForSequenceClassification", pad_token_id=0),
    "xlnet": hf("XLNetForSequenceClassification", base=dict(d_model=64, n_layer=2, n_head=4, d_inner=128, vocab_size=200)),
    "vit_hf": vision("ViTForImageClassification"),
    "swinv2_hf": ["transformers:Swinv2ForImageClassification", "--image", "64x64",
                  *settings(image_size=64, patch_size=4, embed_dim=24, depths=[1, 1], num_heads=[2, 4], window_size=4)],
    "mobilenet_v1_hf": ["transformers:MobileNetV1ForImageClassification", "--image", "64x64"],
    "hubert": ["transformers:HubertModel", "--input", "input_values=2x4000", *WAVES],
    "yolos": vision("YolosForObjectDetection", image_size=[64, 64], num_detection_tokens=10),
    "ast": ["transformers:ASTForAudioClassification", "--input", "input_values=2x128x128", *settings(**ENCODER, max_length=128, num_mel_bins=128)],
    "videomae": ["transformers:VideoMAEForVideoClassification", *FRAMES],
    "timesformer": ["transformers:TimesformerForVideoClassification", *FRAMES],
    "convnextv2_hf": ["transformers:ConvNextV2ForImageClassification", "--image", "64x64", *settings(depths=[1] * 4, hidden_sizes=[16, 32, 48, 64])],
    "resnet_hf": ["transformers:ResNetForImageClassification", "--image", "64x64",
                  *settings(depths=[1] * 4, hidden_sizes=[32, 64, 96, 128], embedding_size=16)],
    "regnet_hf": ["transformers:RegNetForImageClassification", "--image", "64x64",
                  *settings(depths=[1] * 4, hidden_sizes=[32, 64, 96, 128], embedding_size=16, groups_width=16)],
    "swin2sr": ["transformers:Swin2SRForImageSuperResolution", "--image", "32x32",
                *settings(image_size=32, embed_dim=24, depths=[1, 1], num_heads=[2, 2], window_size=4)],
    "patchtst": ["transformers:PatchTSTForPrediction", "--input", "past_values=2x32x4",
                 *settings(num_input_channels=4, context_length=32, patch_length=8, patch_stride=8, d_model=32, num_attention_heads=4, ffn_dim=64,
                           num_hidden_layers=2, prediction_length=8)],
    "layoutlm": hf("LayoutLMForSequenceClassification"),
    "xlm": hf("XLMForSequenceClassification", base=dict(emb_dim=64, n_layers=2, n_heads=4, vocab_size=200)),
    "xglm": hf("XGLMForCausalLM", base=dict(d_model=64, num_layers=2, attention_heads=4, ffn_dim=128, vocab_size=200)),
    "gptj": hf("GPTJForCausalLM", base=ROTARY),
    "codegen": hf("CodeGenForCausalLM", base=ROTARY),
    "smollm3": hf("SmolLM3ForCausalLM", num_key_value_heads=2, pad_token_id=0),
    "glm": hf("GlmForCausalLM", num_key_value_heads=2, head_dim=16, pad_token_id=0),
    "granite": hf("GraniteForCausalLM", num_key_value_heads=2),
}

MODELS = TORCHVISION | TIMM | TRANSFORMERS | {name: own(name) for name in NETWORKS} | FURTHER

# Group analysis and cut are timed on these (scripts/zoo --time), at their published size.
TIMED = {"resnet50_224": tv("resnet50", 224), "vit_b_16_224": tv("vit_b_16", 224), "swin_t_224": tv("swin_t", 224)}
