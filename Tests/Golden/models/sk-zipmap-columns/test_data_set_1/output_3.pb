B
svirginicaJš°©D›