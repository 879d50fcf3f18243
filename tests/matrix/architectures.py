"""The architectures of the matrix, by timm's names; `tv_` marks torchvision's."""

ARCHITECTURES = (
    "resnet18", "resnet50", "resnext50_32x4d", "densenet121", "mobilenetv2_100", "mobilenetv3_large_100",
    "efficientnet_b0", "efficientnet_lite0", "convnext_tiny", "vit_tiny_patch16_224", "vit_small_patch16_224",
    "deit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "mixer_s32_224", "regnety_004", "vgg11_bn",
    "inception_v3", "ghostnet_100", "mobilevit_xs", "efficientformer_l1", "maxvit_tiny_tf_224", "coatnet_0_rw_224",
    "poolformer_s12", "repvgg_a0", "nfnet_l0", "levit_128s", "xcit_nano_12_p16_224", "beit_base_patch16_224",
    "eva02_tiny_patch14_224", "fastvit_t8", "tv_squeezenet1_1", "tv_alexnet", "tv_shufflenet_v2_x1_0",
    "tv_googlenet", "mobilenetv4_conv_small", "edgenext_xx_small", "tiny_vit_5m_224", "pvt_v2_b0", "davit_tiny",
    "twins_svt_small", "cait_xxs24_224", "hrnet_w18_small", "repvit_m0_9", "resmlp_12_224", "gmlp_s16_224",
    "convmixer_768_32", "tf_efficientnetv2_b0", "botnet26t_256",
)  # fmt: skip
"""Convolutional, transformer, mixer and mobile families, one or two of each."""

HELD_OUT = (
    "mambaout_femto", "hiera_tiny_224", "mobileone_s0", "rexnet_100", "seresnet50", "skresnet18", "resnest14d",
    "res2net50_26w_4s", "ese_vovnet19b_dw", "dla34", "dpn68", "selecsls42b", "hardcorenas_a", "lcnet_050",
    "tinynet_a", "gernet_s", "focalnet_tiny_srf", "crossvit_tiny_240", "visformer_tiny", "sequencer2d_s",
    "nest_tiny", "volo_d1_224", "convit_tiny", "convnextv2_atto", "inception_next_tiny", "starnet_s1",
    "swinv2_cr_tiny_ns_224", "xception41", "vit_tiny_r_s16_p8_224", "ghostnetv2_100", "efficientvit_b0",
    "tnt_s_patch16_224", "pit_ti_224", "halonet26t", "lambda_resnet26t", "cspresnet50", "eca_resnet33ts",
    "tv_mnasnet0_5", "tv_regnet_x_400mf", "tv_swin_v2_t",
)  # fmt: skip
"""Families that no converter was written against: their share is the honest one."""
