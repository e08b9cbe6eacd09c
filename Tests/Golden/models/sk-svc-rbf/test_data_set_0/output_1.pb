BprobabilitiesJ`p=z?'k<Û|<Qrt?û=±/W<¡
z?–r<ºR<O/È;ªpa?½÷ç=w}ñ;*F?´­Û>:V©;A¢w?)bá<%JÙ;è»Ñ;ö©|?š<Ímá>°?