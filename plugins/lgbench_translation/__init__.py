"""Translation of class maps into pictures: pix2pix (Isola et al., CVPR 2017), CycleGAN (Zhu et al., ICCV 2017)."""
