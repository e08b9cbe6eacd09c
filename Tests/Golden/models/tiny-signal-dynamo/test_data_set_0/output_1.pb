BvolumeJ$ъ
”=ЃВz>Nїp=Nb	>тжX>О•=Ё>°4F>аРl=